"""Sessions are moved off evacuated proxies in the background."""

import json
from collections.abc import Callable
from typing import Any, Final

from redis import Redis

from limpet.keys import Keys
from limpet.upkeep import UpkeepStore
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy, Sticky
from sessions.store import SessionStore
from tests.conftest import Eventually
from tests.stack import Stack

SWEEP: Final = "sweep_evacuated"
_LINES: Final = "\n".join(f"http://10.1.0.{n}:80" for n in range(4))


def manager_of(redis: Redis) -> SessionManager:
    proxies = ProxyPool(ProxyStore(redis, "default"))
    return SessionManager("default", SessionStore(redis, "default"), proxies)


def imported(stack: Stack) -> None:
    done = stack.manage("proxies", "import", "-", stdin=_LINES)
    assert done.returncode == 0, done.stderr


def sweep(stack: Stack) -> dict[str, Any]:
    sent = stack.app().send_task(SWEEP, queue="upkeep")
    found: dict[str, Any] = sent.get(timeout=30)
    return found


def homes(manager: SessionManager) -> dict[str, int]:
    found: dict[str, int] = {}
    for info in manager.all():
        found[info.proxy] = found.get(info.proxy, 0) + 1
    return found


def test_idle_sessions_leave_a_proxy_that_was_evacuated_after_all(
    stack: Stack, redis: Redis, store: UpkeepStore
) -> None:
    imported(stack)
    manager = manager_of(redis)
    held = manager.acquire("held", hold=60)
    proxy = held.proxy.id
    hard = SessionPolicy(sticky=Sticky.HARD)
    stay = [f"hard{n}" for n in range(4)]
    for name in stay:
        manager.release(manager.acquire(name, hold=30, policy=hard))
    # The command moves what it finds; what comes afterwards is for the sweep.
    done = stack.manage("proxies", "evacuate", proxy)
    assert done.returncode == 0, done.stderr
    for n in range(400):
        name = f"s{n}"
        manager.release(manager.acquire(name, hold=30))
        redis.hset(Keys("default").session(name), "p", proxy)
    stack.worker()

    first = sweep(stack)
    manager.release(held)
    second = sweep(stack)
    third = sweep(stack)

    assert (first["moved"], first["used"], first["stuck"]) == (400, 1, 1)
    assert (second["moved"], second["used"]) == (1, 0)
    assert third["moved"] == third["stuck"] == 0  # the pass is done: nothing to do
    assert third["pools"]["default"]["done"] == [proxy]
    assert homes(manager)[proxy] == 1
    assert store.record(SWEEP).runs == 3


def test_a_sweep_goes_on_where_its_time_was_over(
    stack: Stack, redis: Redis, store: UpkeepStore, full_of: Callable[..., Any]
) -> None:
    imported(stack)
    manager = manager_of(redis)
    lease = manager.acquire("first", hold=30)
    manager.release(lease)
    full_of(redis, 2_500, expired=False)
    stack.manage("proxies", "evacuate", lease.proxy.id)
    full_of(redis, 2_500, "later", expired=False)
    for n in range(0, 2_500, 5):
        name = f"later-{n:026d}"
        redis.hset(Keys("default").session(name), "p", lease.proxy.id)
    stack.worker(LIMPET_UPKEEP_BUDGET_SECONDS="1")
    # As if the time of a run had been over in the middle of its pass.
    cursor, _ = manager.list(0, count=1_000)
    half = {"cursor": cursor, "proxies": [lease.proxy.id], "done": [], "used": 0}
    _, began = store.begin(SWEEP, "a", message="a", slot="", sent_ms=0, by="w")
    store.end(
        SWEEP, "a", began_ms=began, result=json.dumps({"pools": {"default": half}})
    )

    report = sweep(stack)

    assert 0 < report["moved"] < 500
    assert report["pools"]["default"]["done"] == [lease.proxy.id]


def test_there_is_nothing_to_sweep_where_no_proxy_is_evacuated(
    stack: Stack, redis: Redis, eventually: Eventually
) -> None:
    imported(stack)
    manager_of(redis).warm(3)
    stack.worker()

    report = sweep(stack)

    assert report.pop("damaged") == 0
    assert report == {"moved": 0, "used": 0, "stuck": 0, "pools": {}}
