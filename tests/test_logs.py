"""No line that is logged holds a credential."""

import logging

import pytest

from limpet.logs import configure, redact
from limpet.settings import Settings


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to http://me:pw@h:1/x", "to http://***@h:1/x"),
        ("redis://:pw@h/0 and amqp://a:b@c", "redis://***@h/0 and amqp://***@c"),
        ("http://me:p@ss@h:1", "http://***@h:1"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_credentials_in_urls_are_masked(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_other_libraries_log_is_masked_too(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure(Settings(log_format=log_format, _env_file=None))
    try:
        logging.getLogger("kombu").error("cannot connect to %s", "redis://:S3cret@h/0")
        error = ValueError("http://me:S3cret@h:1 is bad")
        logging.getLogger("x").error("failed", exc_info=error)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    said = capsys.readouterr().err
    assert "redis://***@h/0" in said
    assert "http://***@h:1 is bad" in said
    assert "S3cret" not in said
