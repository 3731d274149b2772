"""What differs between Redis 6.2, Redis 7 and a Cluster makes no difference."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from limpet.errors import ConfigurationError, ScriptFailed
from proxies import ProxyPool, ProxyRecord, Selection
from proxies.store import ProxyStore, check_strategies
from proxies.strategies import strategies
from sessions import SessionManager
from sessions.store import SessionStore

if TYPE_CHECKING:
    from tests.sessions.conftest import Server


def test_every_proxy_is_found(server: "Server", records: list[ProxyRecord]) -> None:
    found = set(ProxyStore(server.client, "default").ids())

    assert found == {record.id for record in records}


def test_a_mistake_in_a_strategy_is_found(server: "Server", tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder, field in ((good, "weight"), (bad, "wait")):
        folder.mkdir()
        text = f"\nreturn by_turns(function(proxy) return proxy.{field} + 1 end)"
        (folder / "mine.lua").write_text(text)

    check_strategies(server.client, good)
    with pytest.raises(ConfigurationError, match=r"mine\.lua:2: .*'wait'"):
        check_strategies(server.client, bad)


@pytest.mark.parametrize(
    ("text", "says"),
    [("return by_turns(((", "unexpected symbol"), ("return oops.x", "'oops'")],
)
def test_a_strategy_that_fails_at_work_is_no_trouble_of_the_store(
    server: "Server", tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "late.lua").write_text(text)
    own = strategies(tmp_path)
    manager = SessionManager(
        "default",
        SessionStore(server.client, "default", sources=own),
        ProxyPool(ProxyStore(server.client, "default")),
        selection=Selection("late"),
    )

    with pytest.raises(ScriptFailed, match=f"LIMPET_STRATEGIES_DIR.*{says}") as caught:
        manager.acquire("s", hold=30)

    assert "script: " not in str(caught.value)
