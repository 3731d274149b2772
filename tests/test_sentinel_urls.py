"""Which Sentinels are asked, for which master, and what is no list of Sentinels."""

from collections.abc import Iterator

import pytest

from limpet.connection import connect
from limpet.errors import ConfigurationError
from limpet.settings import settings


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIMPET_ENV_FILE", "/dev/null")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_all_sentinels_are_asked_for_the_master_that_was_named() -> None:
    url = "sentinel://me:S3%2Fcret@one:1/5;sentinel://two"

    pool = connect(url, master="sessions").connection_pool

    assert pool.service_name == "sessions"  # type: ignore[attr-defined] # Sentinel's has it
    found = [
        one.connection_pool.connection_kwargs
        for one in pool.sentinel_manager.sentinels  # type: ignore[attr-defined] # the same
    ]
    assert [(one["host"], one["port"]) for one in found] == [("one", 1), ("two", 26379)]
    options = pool.connection_kwargs
    assert (options["db"], options["username"], options["password"]) == (
        *(5, "me", "S3/cret"),
    )


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LIMPET_REDIS_URL", "sentinel://:S3cret@/0", "the host is missing"),
        ("LIMPET_REDIS_URL", "sentinel://a;redis://:S3cret@b", "begin with sentinel"),
        ("LIMPET_REDIS_URL", "sentinel://a/S3cret", "database number"),
        ("LIMPET_SESSION_SENTINEL_MASTER", "no spaces", "must be 1 to 128 of"),
    ],
)
def test_what_is_no_list_of_sentinels_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=f"^{variable}: .*{told}") as caught:
        settings()

    assert "S3cret" not in str(caught.value)
