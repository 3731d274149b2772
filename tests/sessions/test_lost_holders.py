"""A holder is killed: its leases end once, and what it brings late is refused."""

import base64
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from limpet.errors import LeaseLost
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease
from sessions.state import StatePatch

if TYPE_CHECKING:
    from tests.sessions.conftest import Eventually, Server

ROOT = Path(__file__).resolve().parents[2]
KEYS = Keys("default")
LATE: StatePatch = {"cookies": [{"name": "stolen"}]}

_START = """
import base64, pickle, sys
from limpet.connection import connect
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore

client = connect(sys.argv[1], cluster=sys.argv[2] == "1")
proxies = ProxyPool(ProxyStore(client, "default"))
manager = SessionManager("default", SessionStore(client, "default"), proxies, margin=0)
"""

_HOLDER = f"""{_START}
count, hold = int(sys.argv[3]), float(sys.argv[4])
held = [manager.acquire(f"s{{n}}", hold=hold) for n in range(count)]
print(base64.b64encode(pickle.dumps(held)).decode(), flush=True)
sys.stdin.read()
"""

_REAPER = f"""{_START}
def work(number):
    settled = 0
    while manager.stats().leases:
        settled += manager.expire(7).leases
    return settled
"""


def _killed(server: "Server", count: int, hold: float) -> list[Lease]:
    """Return what a process held that was killed with ``kill -9``."""
    words = (server.url, int(server.cluster), count, hold)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        held: list[Lease] = pickle.loads(base64.b64decode(holder.stdout.readline()))
        holder.kill()
    return held


def test_racing_reapers_settle_each_lease_once(
    server: "Server", records: list[ProxyRecord]
) -> None:
    held = _killed(server, 400, 30)
    server.client.zadd(KEYS.leases, {lease.token: 1 for lease in held})

    settled = server.crew(_REAPER, 4)

    manager = server.manager()
    assert len(held) == sum(settled) == manager.stats().counters["lost_leases"] == 400
    status = ProxyPool(ProxyStore(server.client, "default")).status(records)
    assert [one.inflight for one in status] == [0] * 5
    assert sum(one.started for one in status) == 400


def test_a_late_release_after_the_reapers_changes_nothing(
    server: "Server", records: list[ProxyRecord], eventually: "Eventually"
) -> None:
    manager, [dead] = server.manager(), _killed(server, 1, 0.01)
    eventually(lambda: manager.expire(50).leases == 1)
    taken = manager.acquire("s0", hold=30)
    before = _picture(server, records)

    with pytest.raises(LeaseLost):
        manager.release(dead, Outcome.FAULT, patch=LATE)

    assert _picture(server, records) == before
    assert taken.incarnation > dead.incarnation


def test_a_late_release_of_a_session_that_was_closed_changes_nothing(
    server: "Server", records: list[ProxyRecord], eventually: "Eventually"
) -> None:
    manager, [dead] = server.manager(), _killed(server, 1, 0.01)
    eventually(lambda: manager.expire(50).leases == 1)
    manager.close("s0")
    before = _picture(server, records)

    assert manager.release(dead, Outcome.FAULT, patch=LATE) == -1

    assert _picture(server, records) == before


@pytest.mark.parametrize("reaped", [True, False])
def test_a_late_release_does_not_touch_the_session_that_came_after(
    server: "Server",
    records: list[ProxyRecord],
    eventually: "Eventually",
    *,
    reaped: bool,
) -> None:
    manager, [dead] = server.manager(), _killed(server, 1, 0.01)
    if reaped:
        eventually(lambda: manager.expire(50).leases == 1)
    manager.close("s0")
    anew = manager.acquire("s0", hold=30)
    before = _session(server)

    with pytest.raises(LeaseLost):
        manager.release(dead, Outcome.OK, patch=LATE)

    assert _session(server) == before
    assert manager.release(anew) == anew.state.version
    status = ProxyPool(ProxyStore(server.client, "default")).status(records)
    assert [one.inflight for one in status] == [0] * 5


def _session(server: "Server") -> list[object]:
    client = server.client
    return [client.hgetall(KEYS.session("s0")), client.get(KEYS.state("s0"))]


def _picture(server: "Server", records: list[ProxyRecord]) -> list[object]:
    live = ProxyStore(server.client, "default").live([one.id for one in records])
    return [_session(server), live, server.client.zrange(KEYS.leases, 0, -1)]
