"""Leases: nobody holds a session twice, whatever is lost on the way."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from limpet.errors import LeaseLost, SessionBusy, StateTooLarge
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord, Selection
from sessions import Lease, SessionManager, SessionPolicy
from sessions.operation import Want
from sessions.state import StatePatch
from sessions.store import SessionStore

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def test_an_acquire_that_is_sent_again_finds_its_own_lease(
    redis: Redis, manager: SessionManager
) -> None:
    store = SessionStore(redis, "default")

    manager.release(manager.acquire("other", hold=30))
    want = Want("abc1", 30, SessionPolicy(), Selection())

    first = store.acquire("s", want)
    again = store.acquire("s", want)

    assert (first[0], again[0]) == (b"C", b"R")
    assert first[1:3] == again[1:3]
    assert redis.zcard(KEYS.leases) == 1


def test_a_release_that_is_sent_again_counts_once(
    redis: Redis, manager: SessionManager, pool: ProxyPool
) -> None:
    lease = manager.acquire("s", hold=30)

    patch: StatePatch = {"cookies": [{"name": "c"}]}
    versions = [manager.release(lease, Outcome.OK, patch=patch) for _ in range(2)]

    assert versions[0] == versions[1] > 0
    status = pool.status([ProxyRecord(lease.proxy)])[0]
    assert (status.done, status.inflight) == (1, 0)


def test_a_late_release_is_refused_and_changes_nothing(
    manager_of: Managers, pool: ProxyPool, redis: Redis
) -> None:
    dead = manager_of(margin=0).acquire("s", hold=0.001)
    taken = _once_free(manager_of(), "s")
    before = redis.hgetall(KEYS.session("s"))

    manager_of().expire(50)
    with pytest.raises(LeaseLost):
        manager_of().release(
            dead, Outcome.FAULT, patch={"cookies": [{"name": "stolen"}]}
        )

    assert redis.hgetall(KEYS.session("s")) == before
    assert taken.incarnation > dead.incarnation
    assert pool.status([ProxyRecord(dead.proxy)])[0].fails == 0


def test_a_dead_lease_is_settled_once_by_any_number_of_reapers(
    manager: SessionManager, pool: ProxyPool, redis: Redis
) -> None:
    leases = [manager.acquire(f"s{n}", hold=30) for n in range(200)]
    redis.zadd(KEYS.leases, {lease.token: 1 for lease in leases})

    with ThreadPoolExecutor(4) as reapers:
        steps = list(reapers.map(lambda _: manager.expire(10), range(60)))

    assert sum(step.leases for step in steps) == 200
    proxies = {lease.proxy for lease in leases}
    assert [
        one.inflight for one in pool.status([ProxyRecord(one) for one in proxies])
    ] == [0] * 5


def test_a_session_outlives_its_dead_lease(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    dead = manager_of(margin=0).acquire("s", hold=0.001)
    eventually(lambda: manager_of().expire(50).leases == 1)

    lease = manager_of().acquire("s", hold=30)

    assert (lease.proxy, lease.created, lease.generation) == (dead.proxy, False, 1)
    assert lease.incarnation > dead.incarnation


def test_the_lease_of_a_closed_session_still_settles_its_proxy(
    manager: SessionManager, pool: ProxyPool
) -> None:
    lease = manager.acquire("s", hold=30)
    manager.close("s")
    anew = manager.acquire("s", hold=30)

    with pytest.raises(LeaseLost):
        manager.release(lease, Outcome.OK, patch={"cookies": [{"name": "old"}]})

    assert pool.status([ProxyRecord(lease.proxy)])[0].inflight == (
        lease.proxy == anew.proxy
    )
    manager.release(anew)
    assert manager.acquire("s", hold=30).state.cookies == []


def test_cookies_that_are_too_large_do_not_keep_the_lease(
    manager: SessionManager,
) -> None:
    lease = manager.acquire("s", hold=30)
    noise = [{"name": str(n), "value": str(hash((n, "x")) ** 9)} for n in range(20_000)]

    with pytest.raises(StateTooLarge):
        manager.release(lease, patch={"cookies": noise})

    assert manager.acquire("s", hold=30).state.cookies == []


def test_threads_that_race_for_one_session_get_it_one_by_one(
    manager: SessionManager,
) -> None:
    inside = threading.Semaphore(1)
    done: Counter[str] = Counter()

    def use(_: int) -> None:
        while True:
            try:
                lease = manager.acquire("s", hold=30)
            except SessionBusy:
                continue
            break
        assert inside.acquire(blocking=False), "two holders at a time"
        done[lease.proxy.id] += 1
        inside.release()
        manager.release(lease, Outcome.OK)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(200)))

    assert list(done.values()) == [200]


_RACER = """
import sys
from limpet.connection import connect
from limpet.errors import SessionBusy
from proxies import Outcome, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore

client = connect(sys.argv[1])
store = SessionStore(client, "default")
manager = SessionManager("default", store, ProxyPool(ProxyStore(client, "default")))
print("ready", flush=True)
sys.stdin.readline()
for n in range(100):
    while True:
        try:
            lease = manager.acquire(f"s{n}", hold=30)
        except SessionBusy:
            continue
        break
    manager.release(lease, Outcome.OK)
    print(n, lease.proxy.id, lease.generation, int(lease.created))
"""


def test_processes_that_race_to_create_a_session_agree_on_its_proxy(
    redis: Redis, pool: ProxyPool, redis_port: int
) -> None:
    command = [sys.executable, "-c", _RACER, f"redis://127.0.0.1:{redis_port}/1"]
    racers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout
        racer.stdout.readline()

    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    lines = [line for racer in racers for line in racer.communicate()[0].splitlines()]

    seen = [tuple(line.split()) for line in lines]
    assert len(seen) == 800
    assert len({(n, proxy) for n, proxy, _, _ in seen}) == 100
    assert {generation for _, _, generation, _ in seen} == {"1"}
    assert sum(int(created) for *_, created in seen) == 100


def _once_free(manager: SessionManager, session: str) -> Lease:
    while True:
        try:
            return manager.acquire(session, hold=30)
        except SessionBusy:
            continue


def test_requests_of_several_holders_keep_their_distance(manager_of: Managers) -> None:
    manager = manager_of(min_delay=10, max_leases=3)
    manager.acquire("s", hold=30)

    with pytest.raises(SessionBusy) as caught:
        manager.acquire("s", hold=30)

    assert caught.value.reason == "delay"
