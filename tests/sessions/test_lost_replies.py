"""A reply that never came: the client sends again, and nothing is done twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis, RedisCluster
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from limpet.errors import StateConflict
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease, SessionManager
from sessions.operation import Tally
from sessions.state import StatePatch

if TYPE_CHECKING:
    from tests.sessions.conftest import Server

KEYS = Keys("default")
Managers = Callable[..., SessionManager]
PATCH: StatePatch = {"cookies": [{"name": "c"}]}


@pytest.fixture
def hasty(server: "Server") -> Iterator[SessionManager]:
    """Give a manager that sends again soon, with all scripts and connections ready."""
    retry = Retry(ConstantBackoff(0.05), 20)
    options: dict[str, Any] = {"socket_timeout": 0.3, "retry": retry}
    kind = RedisCluster if server.cluster else Redis
    client: Any = kind.from_url(server.url, **options)
    manager = server.manager(client=client)
    manager.warm(2)
    manager.release(manager.borrow(hold=30))
    lease = manager.release_and_acquire(
        manager.acquire("first", hold=30), Outcome.OK, "first", hold=30
    )
    manager.release(lease)
    manager.set_metadata("first", ready=True)
    yield manager
    client.close()


@pytest.fixture
def frozen(server: "Server") -> Callable[..., Any]:
    """Stop the server for a second; what is sent meanwhile is sent again."""

    @contextmanager
    def freeze() -> Iterator[None]:
        waker = server.freeze(1)
        try:
            yield
        finally:
            waker.wait()

    return freeze


def _inflight(server: "Server", lease: Lease) -> int:
    pool = ProxyPool(ProxyStore(server.client, "default"))
    return pool.status([ProxyRecord(lease.proxy)])[0].inflight


def test_an_acquire_is_one_lease(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any]
) -> None:
    with frozen():
        lease = hasty.acquire("s", hold=30)

    assert server.client.zcard(KEYS.leases) == 1
    assert _inflight(server, lease) == 1
    assert hasty.release(lease, patch=PATCH) > 0
    assert server.client.zcard(KEYS.leases) == 0


def test_a_release_is_settled_once(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any]
) -> None:
    lease = hasty.acquire("s", hold=30)

    with frozen():
        version = hasty.release(lease, Outcome.OK, patch=PATCH, elapsed=0.1)

    assert _inflight(server, lease) == 0
    state = hasty.acquire("s", hold=30).state
    assert (state.version, state.cookies) == (version, [{"name": "c"}])
    assert sum(hasty.stats().times.values()) == 1


def test_a_borrow_takes_one_session(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any]
) -> None:
    with frozen():
        lease = hasty.borrow(hold=30)

    assert server.client.zcard(KEYS.leases) == 1
    assert hasty.borrow(hold=30).session != lease.session
    assert hasty.release(lease, patch=PATCH) > 0


@pytest.mark.parametrize("then", ["s", "another"])
def test_a_release_and_acquire_is_one_of_each(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any], then: str
) -> None:
    lease = hasty.acquire("s", hold=30)

    with frozen():
        after = hasty.release_and_acquire(
            lease, Outcome.OK, then, hold=30, patch=PATCH, elapsed=0.1
        )

    assert server.client.zcard(KEYS.leases) == 1
    assert _inflight(server, after) == 1
    state = hasty.state("s")
    assert state
    assert state.cookies == [{"name": "c"}]
    assert sum(hasty.stats().times.values()) == 1
    assert hasty.release(after, Outcome.OK) == after.state.version


@pytest.mark.parametrize("most", [1, 4])
def test_a_state_that_was_put_is_no_conflict_with_itself(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any], most: int
) -> None:
    manager = server.manager(max_leases=most)
    manager.release(manager.acquire("s", hold=30))
    state = manager.state("s")
    assert state

    with frozen():
        version = hasty.put_state("s", state.patched(PATCH))

    assert version > state.version
    after = manager.state("s")
    assert after
    assert (after.version, after.cookies) == (version, [{"name": "c"}])


def test_a_release_is_known_again_after_many_others(manager_of: Managers) -> None:
    manager = manager_of(max_leases=20)
    mine = manager.acquire("s", hold=30)
    others = [manager.acquire("s", hold=30) for _ in range(12)]
    version = manager.release(mine, Outcome.OK)

    for other in others:
        manager.release(other, Outcome.OK)

    assert manager.release(mine, Outcome.OK) == version
    assert manager.stats().counters.get("stale", 0) == 0


def test_a_release_is_known_again_after_the_next_three_leases(
    manager_of: Managers,
) -> None:
    manager = manager_of()
    mine = manager.acquire("s", hold=30)
    version = manager.release(mine, Outcome.OK, patch=PATCH)
    assert manager.release(mine, Outcome.OK, patch=PATCH) == version

    for number in range(3):
        lease = manager.acquire("s", hold=30)
        # It does not say that the state is its own, which somebody may have replaced.
        assert manager.release(mine, Outcome.OK, patch=PATCH) == 0
        manager.release(lease, Outcome.OK, patch={"metadata": {"by": number}})
        assert manager.release(mine, Outcome.OK, patch=PATCH) == 0

    state = manager.state("s")
    assert state
    assert state.metadata == {"by": 2}
    assert manager.stats().counters.get("stale", 0) == 0
    assert sum(manager.stats().times.values()) == 0


def test_a_conflict_is_one_when_its_reply_is_lost(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any]
) -> None:
    manager = server.manager(max_leases=2)
    mine, other = (manager.acquire("shared", hold=30) for _ in range(2))
    manager.release(other, patch={"metadata": {"by": "other"}})

    with frozen(), pytest.raises(StateConflict):
        hasty.release(mine, patch={"metadata": {"by": "me"}})

    state = manager.state("shared")
    assert state
    assert state.metadata == {"by": "other"}


def test_progress_is_told_once(
    server: "Server", hasty: SessionManager, frozen: Callable[..., Any]
) -> None:
    lease = hasty.acquire("s", hold=30)
    tally = Tally()
    tally.add(0.1, 1000, "https://shop.test/")
    hasty.progress(lease, Tally(), hold=30)

    with frozen():
        hasty.progress(lease, tally, hold=30)

    info = hasty.get("s")
    assert info
    assert (info.requests, info.measured) == (2, 1)
    assert _inflight(server, lease) == 1
    assert hasty.stats().times == {100: 1}
