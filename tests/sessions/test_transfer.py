"""Sessions as a file: whole or not at all."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import InvalidExport
from limpet.keys import Keys
from proxies import Outcome, ProxyPool
from sessions import SessionManager
from sessions.transfer import Restored, export_sessions, import_sessions

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def use(manager: SessionManager, session: str, **said: object) -> str:
    lease = manager.acquire(session, hold=30)
    manager.release(lease, Outcome.OK, **said)  # type: ignore[arg-type] # a test's
    return lease.proxy.id


def test_sessions_survive_a_trip_through_a_file(
    manager: SessionManager, redis: Redis
) -> None:
    for n in range(20):
        use(manager, f"s{n}", patch={"user_agent": f"agent {n}"}, elapsed=0.1)
    before = {info.session: info for info in manager.all()}
    lines = list(export_sessions(manager))
    list(manager.clear())

    done = import_sessions(manager, lines)

    after = {info.session: info for info in manager.all()}
    assert done == Restored(restored=20, moved=0, kept=0, homeless=0)
    assert after == before
    assert manager.acquire("s7", hold=30).state.user_agent == "agent 7"


def test_a_session_that_is_there_stays_unless_it_is_to_be_replaced(
    manager: SessionManager,
) -> None:
    use(manager, "s", patch={"user_agent": "old"})
    lines = list(export_sessions(manager))
    use(manager, "s", patch={"user_agent": "new"})

    kept = import_sessions(manager, lines)
    replaced = import_sessions(manager, lines, replace=True)

    assert (kept.kept, kept.restored) == (1, 0)
    assert (replaced.kept, replaced.restored) == (0, 1)
    assert manager.acquire("s", hold=30).state.user_agent == "old"


def test_a_session_whose_proxy_is_not_there_gets_another(
    manager: SessionManager, pool: ProxyPool
) -> None:
    proxy = use(manager, "s")
    lines = list(export_sessions(manager))
    manager.close("s")
    pool.set_mode(proxy, "removed")

    done = import_sessions(manager, lines)

    assert (done.restored, done.moved) == (1, 1)
    assert manager.acquire("s", hold=30).proxy.id != proxy


@pytest.mark.parametrize("change", ["cut", "edit", "empty", "other", "binary"])
def test_a_file_that_was_changed_restores_nothing(
    manager: SessionManager, change: str
) -> None:
    for n in range(3):
        use(manager, f"s{n}")
    lines = list(export_sessions(manager))
    list(manager.clear())
    changed = {
        "cut": lines[:-1],
        "edit": [line.replace('"s1"', '"s9"') for line in lines],
        "empty": [],
        "other": ['{"a": 1}\n', "[]\n"],
        "binary": ["\x00\x01"],
    }[change]

    with pytest.raises(InvalidExport):
        import_sessions(manager, changed)

    assert manager.stats().sessions == 0
