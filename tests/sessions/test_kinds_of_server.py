"""What differs between Redis 6.2, Redis 7 and a Cluster makes no difference."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from health import Check, Report, Status
from health.alerts import Alerts
from health.store import HealthStore
from history.store import START, HistoryStore, audit_of
from limpet.errors import ConfigurationError, ScriptFailed
from proxies import Outcome, ProxyPool, ProxyRecord, Selection, Tried
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


def test_what_is_looked_at_and_told_of_health_is_there(server: "Server") -> None:
    alerts = Alerts(HealthStore(server.client), after=0, outbox=True)
    look = HealthStore(server.client).look()
    bad = Report((Check("sql", Status.DEGRADED, "away"),))

    told = alerts.tell(bad)

    assert [one.stats.pool for one in look.pools] == ["default"]
    assert [one.alert for one in told] == ["sql"]
    assert alerts.tell(bad) == []
    assert alerts.unsent() == told


def test_proxies_are_given_out_to_be_tried(
    server: "Server", records: list[ProxyRecord]
) -> None:
    pool = ProxyPool(ProxyStore(server.client, "default"))

    given = {one for one, _ in pool.probes("t", most=9, hold=9, again=9)}
    standing = pool.report(records[0].id, Tried(Outcome.OK, 0.1, exit="192.0.2.1"))

    assert given == {one.id for one in records}
    assert standing.state == "healthy"


def test_the_history_is_read_and_trimmed(server: "Server") -> None:
    manager, store = server.manager(), HistoryStore(server.client)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.OK, patch={"user_agent": "x"})
    stream = audit_of("default")

    first = store.waiting(stream, START, 10)
    [(last, event)] = first.entries
    store.trim(stream, 1)
    then = store.waiting(stream, last, 10)
    server.client.delete(stream)
    none = store.waiting(stream, last, 10)
    server.client.xadd(stream, {"event": "x"}, id="1-1")
    anew = store.waiting(stream, last, 10)

    assert event["event"] == "created"
    assert (then.entries, then.gap, none.entries) == ([], False, [])
    assert (anew.entries, anew.anew) == ([("1-1", {"event": "x"})], True)


def test_sessions_are_copied_and_proxies_counted(server: "Server") -> None:
    manager, store = server.manager(), HistoryStore(server.client)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.OK, patch={"user_agent": "x"})

    cursor, names = store.scan("default", 0, 10)
    [(fields, blob)] = store.copies("default", {"s": ""})
    [(_, known), (gone, _)] = store.copies("default", {"s": fields["v"], "none": ""})
    census = ProxyPool(ProxyStore(server.client, "default")).census(100)

    assert (cursor, names) == (0, ["s"])
    assert (fields["p"], known, gone) == (lease.proxy.id, None, {})
    assert blob is not None
    assert census.states == {"healthy": 1, "unknown": 4}
    assert store.memory()[0] > 100_000
