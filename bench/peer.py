"""The side of proxywhirl and crawlee, run by the Python that has them.

`bench/peers.py` starts it and writes one JSON line a wish: ``["time", operation, size,
calls]`` or ``["memory", peer, sessions]``; the answer is one number a line, in
microseconds a call or bytes a session. So both sides can take turns.
"""

import asyncio
import json
import logging
import sys
import time
import tracemalloc
import warnings
from collections.abc import Awaitable, Callable
from functools import cache
from itertools import count
from typing import Any, Final

from crawlee.sessions import Session, SessionPool
from loguru import logger
from proxywhirl.models import HealthStatus, Proxy, ProxyPool, SelectionContext
from proxywhirl.strategies import RoundRobinStrategy, SessionPersistenceStrategy
from proxywhirl.strategies.core import SessionManager

logger.remove()
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
_LOOP: Final = asyncio.new_event_loop()
#: Sessions that hits go to.
_LIVE: Final = 100


@cache
def _proxies(size: int) -> ProxyPool:
    found = [
        Proxy(
            url=f"http://10.{n >> 16}.{n >> 8 & 255}.{n & 255}:8080",
            allow_local=True,
            health_status=HealthStatus.HEALTHY,
        )
        for n in range(size)
    ]
    return ProxyPool(name="bench", proxies=found, max_pool_size=max(100, size))


def _sticky() -> SessionPersistenceStrategy:
    return SessionPersistenceStrategy(max_sessions=10**6, auto_cleanup_threshold=10**9)


@cache
def _first_bind(size: int) -> Callable[[], object]:
    proxies, strategy, number = _proxies(size), _sticky(), count()
    return lambda: strategy.select(
        proxies, SelectionContext(session_id=f"new-{next(number)}")
    )


@cache
def _hit(size: int) -> Callable[[], object]:
    proxies, strategy, number = _proxies(size), _sticky(), count()
    contexts = [SelectionContext(session_id=f"session-{n}") for n in range(_LIVE)]
    for context in contexts:
        strategy.select(proxies, context)

    def call() -> None:
        proxy = strategy.select(proxies, contexts[next(number) % _LIVE])
        strategy.record_result(proxy, True, 100.0)  # noqa: FBT003 - their signature

    return call


@cache
def _rotate(size: int) -> Callable[[], object]:
    proxies, strategy = _proxies(size), RoundRobinStrategy()

    def call() -> None:
        proxy = strategy.select(proxies)
        strategy.record_result(proxy, True, 100.0)  # noqa: FBT003 - their signature

    return call


async def _full(size: int) -> SessionPool:
    pool = SessionPool(max_pool_size=size)
    await pool.__aenter__()
    for _ in range(size):
        pool.add_session(Session())
    return pool


@cache
def _crawlee(size: int) -> Callable[[], Awaitable[object]]:
    pool = _LOOP.run_until_complete(_full(size))
    get: Callable[[], Awaitable[object]] = pool.get_session
    return get


_OPERATIONS: Final[dict[str, Callable[[int], Callable[[], Any]]]] = {
    "first bind": _first_bind,
    "hit": _hit,
    "round robin": _rotate,
    "crawlee": _crawlee,
}


async def _awaited(call: Callable[[], Awaitable[object]], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        await call()
    return time.perf_counter() - start


def _time(operation: str, size: int, calls: int) -> float:
    call = _OPERATIONS[operation](size)
    if operation == "crawlee":
        return _LOOP.run_until_complete(_awaited(call, calls)) / calls * 1e6
    call()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls * 1e6


def _memory(peer: str, sessions: int) -> float:
    proxy = _proxies(10).proxies[0]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    if peer == "crawlee":
        kept: object = [Session() for _ in range(sessions)]
    else:
        kept = manager = SessionManager(
            max_sessions=sessions + 1, auto_cleanup_threshold=10**9
        )
        for n in range(sessions):
            manager.create_session(f"session-{n:024d}", proxy, timeout_seconds=3600)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept
    return (after - before) / sessions


for line in sys.stdin:
    wish, *details = json.loads(line)
    answer = _time(*details) if wish == "time" else _memory(*details)
    print(answer, flush=True)
