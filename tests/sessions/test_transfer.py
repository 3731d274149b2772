"""Sessions as a file: whole or not at all."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from limpet.errors import ConfigurationError, InvalidExport, LimpetError
from limpet.keys import Keys
from limpet.sealing import Sealer
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager, SessionPolicy, Sticky
from sessions.session import LONGEST, MOST, MOST_LEASES
from sessions.state import SessionState
from sessions.store import SessionStore
from sessions.transfer import Restored, export_sessions, import_sessions

Managers = Callable[..., SessionManager]
KEYS = Keys("default")
TIMES = st.floats(60, LONGEST)
NUMBERS = st.integers(0, MOST)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "idle_ttl": TIMES,
        "max_age": TIMES,
        "auto_renew": st.booleans(),
        "max_requests": NUMBERS,
        "max_leases": st.integers(1, MOST_LEASES),
        "min_delay": st.floats(0, LONGEST),
        "sticky": st.sampled_from(Sticky),
        "keep_state": st.booleans(),
        "max_rebinds": NUMBERS,
        "pooled": st.booleans(),
    },
)
USES = st.lists(
    st.tuples(
        st.sampled_from(Outcome),
        st.floats(0, 1),
        st.floats(0, LONGEST),
        st.one_of(st.text(), st.text().map("http://shop.test/{}".format)),
        st.sampled_from([None, {"user_agent": "x"}]),
    ),
    min_size=1,
    max_size=6,
)
LARGEST: dict[str, Any] = {
    "max_requests": MOST,
    "max_leases": MOST_LEASES,
    "min_delay": LONGEST,
}
ODD = [
    (Outcome.BLOCKED, 1.0, 0.0, "http://shop.test/a b\x7f", None),
    (Outcome.FAULT, 0.1, 0.0, "", None),
    (Outcome.FAULT, 0.7, 0.0, "", None),
    (Outcome.OK, 1.0, 0.0, "", None),
]


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


@example(policy=LARGEST, uses=ODD[:1])
@example(policy={}, uses=ODD)
@example(policy={}, uses=[(Outcome.FAULT, 1e-200, 0.0, "", None)])
@given(policy=POLICIES, uses=USES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_session_lived_through_its_export_can_be_imported(
    redis: Redis,
    pool: ProxyPool,
    records: list[ProxyRecord],
    policy: dict[str, Any],
    uses: list[tuple[Outcome, float, float, str, Any]],
) -> None:
    health = HealthPolicy(max_failures=1000, cooldown=0.001)
    store = SessionStore(redis, "default", health=health, max_errors=0)
    manager = SessionManager("default", store, pool, policy=SessionPolicy(**policy))
    list(manager.clear())
    with suppress(LimpetError):
        for outcome, fault, elapsed, url, patch in uses:
            lease = manager.acquire("s", hold=30)
            manager.release(
                lease, outcome, fault=fault, elapsed=elapsed, url=url, patch=patch
            )
    before, state = manager.get("s"), manager.state("s")
    assert before is not None
    lines = list(export_sessions(manager))
    redis.flushdb()
    pool.publish(records)

    done = import_sessions(manager, lines)

    after = manager.get("s")
    assert after is not None
    assert done.restored == 1
    assert after._replace(proxy="") == before._replace(proxy="")
    found = manager.state("s")
    assert found is not None
    assert state is not None
    # One that was never written has its session's incarnation for a version.
    version = before.state_version or found.version
    assert found == replace(state, version=version)


@pytest.mark.parametrize("score", ["0.10000000000000001", "123456.5", "1e-05", "0"])
def test_a_score_may_look_like_any_number_that_redis_writes(
    manager: SessionManager, redis: Redis, score: str
) -> None:
    use(manager, "s")
    redis.hset(KEYS.session("s"), "e", score)
    lines = list(export_sessions(manager))
    manager.close("s")

    import_sessions(manager, lines)

    info = manager.get("s")
    assert info is not None
    assert info.errors == float(score)


class _Late(SessionStore):
    """A session's state is written when its fields have been read already."""

    def state(self, session_id: str) -> tuple[int | None, bytes | None]:
        version, _ = super().state(session_id)
        assert version is not None
        self.put_state(session_id, version, b'J{"user_agent":"late"}')
        return super().state(session_id)


def test_a_state_that_is_written_during_an_export_is_not_lost(
    manager: SessionManager, redis: Redis, pool: ProxyPool
) -> None:
    use(manager, "s")
    slow = SessionManager("default", _Late(redis, "default"), pool)

    lines = list(export_sessions(slow))

    state = manager.state("s")
    assert state is not None
    assert json.loads(lines[1])["fields"]["v"] == str(state.version)
    manager.close("s")
    import_sessions(manager, lines)
    assert manager.state("s") == state
    assert state.user_agent == "late"


def test_a_state_without_a_version_is_given_one(manager: SessionManager) -> None:
    use(manager, "s")
    [(name, fields, _)] = manager.records()
    assert "v" not in fields
    proxy = fields["p"]
    kept = {key: fields[key] for key in "mxatn"}
    manager.close(name)

    manager.restore(name, proxy, kept, SessionState(user_agent="agent"), replace=False)

    assert manager.acquire(name, hold=30).state.user_agent == "agent"


@pytest.mark.parametrize("reason", ["idle", "max_age"])
def test_a_session_whose_time_is_over_does_not_keep_its_name(
    manager: SessionManager, redis: Redis, reason: str
) -> None:
    proxy = use(manager, "s", patch={"user_agent": "file"})
    lines = list(export_sessions(manager))
    redis.hset(KEYS.session("s"), "x", 1)
    if reason == "max_age":
        redis.hset(KEYS.session("s"), "a", 1)

    done = import_sessions(manager, lines)

    assert (done.restored, done.kept) == (1, 0)
    assert manager.acquire("s", hold=30).state.user_agent == "file"
    assert redis.hget(KEYS.loads, proxy) == b"1"
    assert manager.stats().counters[f"closed_{reason}"] == 1


def test_sessions_that_nobody_can_read_are_left_out_and_told(
    manager_of: Managers,
) -> None:
    old = manager_of(sealer=Sealer([Fernet.generate_key().decode()]))
    new = manager_of(sealer=Sealer([Fernet.generate_key().decode()]))
    use(old, "lost", patch={"user_agent": "old"})
    use(new, "there", patch={"user_agent": "new"})
    told: list[str] = []

    lines = list(export_sessions(new, skip=told.append))

    assert told == ["lost"]
    assert [json.loads(line)["session"] for line in lines[1:-1]] == ["there"]
    with pytest.raises(ConfigurationError):
        list(export_sessions(new))
