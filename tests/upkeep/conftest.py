"""What tests of upkeep share: a pool full of sessions, and processes that use some."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from bench import stock
from limpet.keys import Keys
from limpet.upkeep import UpkeepStore
from proxies import ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.stack import ROOT, Stack

#: Uses sessions until its standard input ends, then tells what it saw of them.
_USER = """
import json, sys, threading, time
from limpet.connection import connect
from proxies import Outcome, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
client = connect(sys.argv[1])
manager = SessionManager("default", SessionStore(client, "default"),
                         ProxyPool(ProxyStore(client, "default")))
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
names = [f"living-{sys.argv[2]}-{n}" for n in range(50)]
seen, done = {}, 0
print("ready", flush=True)
while not over.is_set():
    for name in names:
        lease = manager.acquire(name, hold=60)
        seen.setdefault(name, set()).add((lease.proxy.id, lease.incarnation))
        manager.release(lease, Outcome.OK)
        done += 1
        time.sleep(0.002)
print(json.dumps({"done": done, "changed": [n for n in seen if len(seen[n]) > 1]}))
"""

Users = Callable[[str, int], Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def store(redis: Redis) -> UpkeepStore:
    return UpkeepStore(redis)


@pytest.fixture
def users(stack: Stack) -> Iterator[Users]:
    """Start processes that use fifty sessions each; return what ends and asks them."""
    with ExitStack() as open_:

        def start(url: str, count: int) -> Callable[[], list[dict[str, Any]]]:
            found = [
                subprocess.Popen(
                    [sys.executable, "-c", _USER, url, str(n)],
                    env=stack.environment,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for n in range(count)
            ]
            for process in found:
                open_.callback(process.wait)
                open_.callback(process.kill)
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"

            def end() -> list[dict[str, Any]]:
                return [json.loads(one.communicate(timeout=60)[0]) for one in found]

            return end

        yield start


@pytest.fixture
def full_of(records: list[ProxyRecord]) -> Callable[..., SessionManager]:
    """Fill the pool ``default`` of a Redis with sessions whose time is over."""

    def fill(
        client: Redis, count: int, kind: str = "session", *, expired: bool = True
    ) -> SessionManager:
        proxies = ProxyPool(ProxyStore(client, "default"))
        proxies.publish(records)
        manager = SessionManager("default", SessionStore(client, "default"), proxies)
        # So that Redis has the scripts, which are sent by their hashes.
        manager.release(manager.acquire(None, hold=30))
        names = stock.names(count, kind)
        stock.fill(manager, client, names, expired=expired)
        if expired:
            client.zadd(Keys("default").expiry, dict.fromkeys(names[:1000], 1))
        return manager

    return fill
