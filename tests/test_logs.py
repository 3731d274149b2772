"""No line that is logged holds a credential."""

import subprocess
import sys

import pytest

from limpet.logs import redact


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
def test_what_other_libraries_log_is_masked_too(log_format: str) -> None:
    # In a process of its own: there is no way back from what this sets.
    program = (
        "import logging\n"
        "from limpet.logs import configure\n"
        "from limpet.settings import Settings\n"
        f"configure(Settings(log_format={log_format!r}, _env_file=None))\n"
        "logging.getLogger('kombu').error('no %s', 'redis://:S3cret@h/0')\n"
        "error = ValueError('http://me:S3cret@h:1 is bad')\n"
        "logging.getLogger('x').error('failed', exc_info=error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "redis://***@h/0" in done.stderr
    assert "http://***@h:1 is bad" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr
