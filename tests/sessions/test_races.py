"""Races between processes and threads: one proxy, no lost write, an even share."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest

from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore

if TYPE_CHECKING:
    from tests.sessions.conftest import Server

KEYS = Keys("default")

_START = """
import sys
from limpet.connection import connect
from limpet.errors import SessionBusy, StateConflict
from proxies import Outcome, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore

def manager_of(**policy):
    client = connect(sys.argv[1], cluster=sys.argv[2] == "1")
    proxies = ProxyPool(ProxyStore(client, "default"))
    store = SessionStore(client, "default")
    return SessionManager("default", store, proxies, policy=SessionPolicy(**policy))
"""

_CREATE = f"""{_START}
def work(number):
    manager, seen = manager_of(max_leases=16), []
    for n in range(int(sys.argv[4])):
        if n % 10 == 0:
            barrier.wait()
        lease = manager.acquire(f"s{{n}}", hold=60)
        seen.append([lease.proxy.id, lease.generation, lease.created])
    return seen
"""


def test_processes_that_race_to_create_a_session_agree_on_its_proxy(
    server: "Server",
) -> None:
    rounds = 1000 if server.kind == "embedded" else 100

    seen = server.crew(_CREATE, 16, rounds)

    races = list(zip(*seen, strict=True))
    assert len(races) == rounds
    assert {len({proxy for proxy, _, _ in race}) for race in races} == {1}
    assert {sum(created for _, _, created in race) for race in races} == {1}
    assert {generation for race in races for _, generation, _ in race} == {1}
    assert server.client.zcard(KEYS.leases) == 16 * rounds


def test_a_hundred_threads_share_the_proxies_evenly(
    server: "Server", records: list[ProxyRecord]
) -> None:
    manager = server.manager()
    each = 100 if server.kind == "embedded" else 20

    def select(_: int) -> Counter[str]:
        return Counter(manager.acquire(None, hold=60).proxy.id for _ in range(each))

    with ThreadPoolExecutor(100) as threads:
        chosen = sum(threads.map(select, range(100)), Counter[str]())

    assert chosen.total() == 100 * each
    assert max(chosen.values()) - min(chosen.values()) <= 1
    status = ProxyPool(ProxyStore(server.client, "default")).status(records)
    assert {one.proxy.id: one.inflight for one in status} == dict(chosen)


_EXCLUSIVE = f"""{_START}
def work(number):
    manager, done = manager_of(), 0
    while done < 100:
        try:
            lease = manager.acquire("s", hold=30)
        except SessionBusy:
            continue
        metadata = {{"count": lease.state.metadata.get("count", 0) + 1}}
        manager.release(lease, Outcome.OK, patch={{"metadata": metadata}})
        done += 1
"""

_BY_VERSION = f"""{_START}
def work(number):
    manager, done = manager_of(max_leases=8), 0
    while done < 100:
        state = manager.state("s")
        metadata = {{"count": state.metadata.get("count", 0) + 1}}
        try:
            manager.put_state("s", state.patched({{"metadata": metadata}}))
        except StateConflict:
            continue
        done += 1
"""

_SHARED = f"""{_START}
def work(number):
    manager, done = manager_of(max_leases=8), 0
    while done < 100:
        lease = manager.acquire("s", hold=30)
        metadata = {{"count": lease.state.metadata.get("count", 0) + 1}}
        try:
            manager.release(lease, Outcome.OK, patch={{"metadata": metadata}})
        except StateConflict:
            continue
        done += 1
"""

_WRITERS = {"exclusive": _EXCLUSIVE, "version": _BY_VERSION, "shared": _SHARED}


@pytest.mark.parametrize("how", _WRITERS)
def test_no_write_of_eight_processes_to_one_state_is_lost(
    server: "Server", how: str
) -> None:
    manager = server.manager(max_leases=1 if how == "exclusive" else 8)
    manager.release(manager.acquire("s", hold=30))

    server.crew(_WRITERS[how], 8)

    state = manager.state("s")
    assert state
    assert state.metadata == {"count": 800}
    assert manager.stats().leases == 0


def test_failures_below_the_threshold_never_move_a_session(server: "Server") -> None:
    manager, luck, used = server.manager(), Random(7), set()
    rate, in_a_row = 1.0, 0
    lease = manager.acquire("s", hold=30)
    for _ in range(999):
        # Never three in a row, and never less than half of the newest ones well.
        failed = luck.random() < 0.4 and in_a_row < 2 and rate * 0.8 >= 0.5
        rate, in_a_row = rate + 0.2 * (1 - failed - rate), in_a_row + 1 if failed else 0
        outcome = Outcome.FAULT if failed else Outcome.OK
        used.add((lease.proxy.id, lease.generation))
        lease = manager.release_and_acquire(lease, outcome, "s", hold=30)

    used.add((lease.proxy.id, lease.generation))
    assert len(used) == 1
    info = manager.get("s")
    assert info
    assert (info.requests, info.generation) == (1000, 1)


_MANY = f"""{_START}
def work(number):
    manager, used = manager_of(), {{}}
    for n in range(25):
        session = f"w{{number}}-{{n}}"
        lease = manager.acquire(session, hold=30)
        proxies = {{lease.proxy.id}}
        for _ in range(49):
            lease = manager.release_and_acquire(lease, Outcome.OK, session, hold=30)
            proxies.add(lease.proxy.id)
        manager.release(lease, Outcome.OK)
        used[session] = sorted(proxies)
    return used
"""


def test_each_of_a_hundred_sessions_keeps_its_one_proxy(server: "Server") -> None:
    used = server.crew(_MANY, 4)

    sessions = {name: proxies for part in used for name, proxies in part.items()}
    assert len(sessions) == 100
    assert {len(proxies) for proxies in sessions.values()} == {1}
    manager = server.manager()
    infos = [manager.get(name) for name in sessions]
    assert {info and info.requests for info in infos} == {50}
    assert Counter(proxy for [proxy] in sessions.values()).total() == 100
