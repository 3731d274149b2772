"""What a session's policy promises: limits, delays, and what its proxy's end means."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import InvalidPolicy, PoolFull, SessionBusy, SessionLost
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, Selection
from sessions import Full, Reason, SessionManager, SessionPolicy, Sticky

Managers = Callable[..., SessionManager]
KEYS = Keys("default")
HARD = SessionPolicy(sticky=Sticky.HARD)


def use(manager: SessionManager, session: str = "s", **more: object) -> str:
    lease = manager.acquire(session, hold=30, **more)  # type: ignore[arg-type] # a test's
    manager.release(lease, Outcome.OK)
    return lease.proxy.id


def down(manager: SessionManager, session: str = "s") -> str:
    """Let the session's proxy fail until it cools down; return its id."""
    proxy = ""
    for _ in range(3):
        lease = manager.acquire(session, hold=30)
        manager.release(lease, Outcome.FAULT)
        proxy = lease.proxy.id
    return proxy


def test_a_session_ends_after_so_many_requests(manager_of: Managers) -> None:
    manager = manager_of(max_requests=3)

    created = []
    for _ in range(7):
        lease = manager.acquire("s", hold=30)
        created.append(lease.created)
        manager.release(lease)

    assert created == [True, False, False, True, False, False, True]
    assert manager.stats().counters["closed_max_requests"] == 2


def test_requests_count_when_they_begin_so_that_none_is_too_many(
    manager_of: Managers,
) -> None:
    manager = manager_of(max_requests=2, max_leases=2)
    held = [manager.acquire("s", hold=30) for _ in range(2)]

    with pytest.raises(SessionBusy):
        manager.acquire("s", hold=30)
    for lease in held:
        manager.release(lease)

    assert manager.acquire("s", hold=30).created


def test_a_shared_session_is_held_by_as_many_as_it_may(manager_of: Managers) -> None:
    manager = manager_of(max_leases=3)

    leases = [manager.acquire("s", hold=30) for _ in range(3)]
    with pytest.raises(SessionBusy):
        manager.acquire("s", hold=30)
    manager.release(leases[1])

    assert manager.acquire("s", hold=30).proxy == leases[0].proxy
    info = manager.get("s")
    assert info is not None
    assert (info.leases, info.max_leases) == (3, 3)


def test_a_dead_lease_of_a_shared_session_gives_its_place_back(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(max_leases=2)
    dead = manager.acquire("s", hold=30)
    manager.acquire("s", hold=30)

    redis.zadd(KEYS.leases, {dead.token: 1})

    assert manager.acquire("s", hold=30).proxy == dead.proxy


def test_requests_of_a_session_keep_their_distance(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    manager = manager_of(min_delay=0.3)
    use(manager)

    with pytest.raises(SessionBusy) as caught:
        use(manager)

    assert caught.value.reason == "delay"
    assert 0 < caught.value.retry_after <= 0.3

    def free() -> bool:
        try:
            return bool(use(manager))
        except SessionBusy:
            return False

    eventually(free)


def test_a_session_that_is_not_renewed_ends_on_time(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(auto_renew=False, idle_ttl=50)
    use(manager)
    ends = redis.hget(KEYS.session("s"), "x")

    use(manager)

    assert redis.hget(KEYS.session("s"), "x") == ends


def test_a_touched_session_lives_on(manager: SessionManager, redis: Redis) -> None:
    use(manager)
    redis.hincrby(KEYS.session("s"), "x", -1_000_000)
    before = manager.get("s")

    assert manager.touch("s")

    after = manager.get("s")
    assert before is not None
    assert after is not None
    assert after.expires > before.expires + 900
    assert not manager.touch("nobody")


def test_a_full_pool_refuses_a_new_session_and_keeps_the_others(
    manager_of: Managers,
) -> None:
    manager = manager_of(max_sessions=2)
    use(manager, "a")
    use(manager, "b")

    with pytest.raises(PoolFull) as caught:
        use(manager, "c")

    assert caught.value.most == 2
    assert use(manager, "a")
    assert manager.stats().sessions == 2


def test_a_full_pool_may_let_an_idle_session_go_instead(manager_of: Managers) -> None:
    manager = manager_of(max_sessions=2, full=Full.EVICT)
    held = manager.acquire("held", hold=30)
    use(manager, "idle")

    use(manager, "new")

    assert manager.get("idle") is None
    assert manager.get("held") is not None
    assert manager.stats().counters["closed_evicted"] == 1
    manager.release(held)


def test_expired_sessions_make_room_first(manager_of: Managers, redis: Redis) -> None:
    manager = manager_of(max_sessions=1)
    use(manager, "old")
    redis.hset(KEYS.session("old"), "x", 1)
    redis.zadd(KEYS.expiry, {"old": 1})

    use(manager, "new")

    assert manager.get("old") is None
    assert manager.stats().counters["closed_idle"] == 1


def test_a_soft_session_moves_three_times_an_hour_at_most(
    manager: SessionManager, redis: Redis
) -> None:
    seen = [down(manager) for _ in range(4)]

    with pytest.raises(SessionLost) as caught:
        manager.acquire("s", hold=30)

    assert len(set(seen)) == 4
    assert caught.value.reason == "rebinds"
    assert caught.value.retry_after is not None
    assert 3500 < caught.value.retry_after <= 3600
    redis.hset(KEYS.session("s"), "b", "1000:3")
    assert manager.acquire("s", hold=30).moved


def test_a_hard_session_waits_for_its_proxy_and_tries_it_when_it_is_due(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(sticky=Sticky.HARD)
    proxy = down(manager)

    with pytest.raises(SessionLost) as caught:
        manager.acquire("s", hold=30)
    redis.hset(KEYS.live_proxy(proxy), "due", 1)

    assert caught.value.reason == "proxy_down"
    assert caught.value.retry_after is not None
    lease = manager.acquire("s", hold=30)
    assert (lease.proxy.id, lease.generation) == (proxy, 1)
    manager.release(lease, Outcome.OK)
    assert use(manager) == proxy


def test_a_hard_session_ends_with_its_proxy(
    manager_of: Managers, pool: ProxyPool
) -> None:
    manager = manager_of(sticky=Sticky.HARD)
    proxy = use(manager)
    pool.set_mode(proxy, "disabled")

    with pytest.raises(SessionLost) as caught:
        manager.acquire("s", hold=30)

    assert (caught.value.reason, caught.value.retry_after) == ("proxy_lost", None)
    anew = manager.acquire("s", hold=30)
    assert anew.created
    assert anew.proxy.id != proxy


def test_a_hard_session_is_not_moved_by_an_exclusion(manager_of: Managers) -> None:
    manager = manager_of(sticky=Sticky.HARD)
    proxy = use(manager)

    with pytest.raises(SessionLost, match="may not be used here"):
        use(manager, selection=Selection(exclude=(proxy,)))

    assert use(manager) == proxy


def test_cookies_stay_behind_when_the_policy_says_so(manager_of: Managers) -> None:
    manager = manager_of(keep_state=False)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.OK, patch={"cookies": [{"name": "c"}]})
    assert manager.acquire("s", hold=30).state.cookies
    manager.close("s")
    manager.release(
        manager.acquire("s", hold=30), Outcome.OK, patch={"cookies": [{"name": "c"}]}
    )

    down(manager)
    moved = manager.acquire("s", hold=30)

    assert moved.moved
    assert moved.state.cookies == []


def test_a_session_keeps_the_policy_it_was_created_with(
    manager: SessionManager,
) -> None:
    use(manager, policy=HARD)

    lease = manager.acquire("s", hold=30, policy=SessionPolicy(max_leases=5))

    assert not lease.shared
    info = manager.get("s")
    assert info is not None
    assert info.sticky is Sticky.HARD


@pytest.mark.parametrize("reason", list(Reason))
def test_a_session_ends_for_a_reason_that_is_counted(
    manager: SessionManager, reason: Reason
) -> None:
    lease = manager.acquire("s", hold=30)

    manager.release(lease, close=reason)

    assert manager.get("s") is None
    assert manager.stats().counters[f"closed_{reason}"] == 1


def test_the_session_that_would_end_first_makes_room_not_the_oldest(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(max_sessions=2, full=Full.EVICT)
    use(manager, "busy")
    use(manager, "idle")
    redis.hincrby(KEYS.session("idle"), "x", -1000)

    use(manager, "new")

    assert manager.get("busy") is not None
    assert manager.get("idle") is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("max_requests", -1), ("max_leases", 0), ("idle_ttl", 0), ("min_delay", -1.0)],
)
def test_a_policy_that_cannot_be_names_the_field(field: str, wrong: float) -> None:
    with pytest.raises(InvalidPolicy, match=f"^{field}:"):
        SessionPolicy(**{field: wrong})  # type: ignore[arg-type] # wrong on purpose
