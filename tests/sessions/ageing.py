"""Sessions that are used, left alone for long, and over."""

from collections.abc import Callable
from typing import Any

from redis import Redis

from limpet.keys import Keys
from proxies import Outcome
from sessions import Cleaner, SessionManager, SessionPolicy
from sessions.store import SessionStore

KEYS = Keys("default")


def cleaner_of(
    manager: SessionManager, client: Redis, going: Callable[[], bool] = lambda: True
) -> Cleaner:
    return Cleaner(manager, SessionStore(client, "default"), going)


def use(manager: SessionManager, *names: str, **policy: Any) -> None:
    for name in names:
        own = SessionPolicy(**policy) if policy else None
        manager.release(manager.acquire(name, hold=30, policy=own), Outcome.OK)


def expire(redis: Redis, *names: str) -> None:
    """Let the time of some sessions be over, one after the other."""
    for rank, name in enumerate(names, start=1):
        redis.hset(KEYS.session(name), "x", rank)
        redis.zadd(KEYS.expiry, {name: rank})


def unused_for(redis: Redis, seconds: float, *names: str) -> None:
    """Let nobody have used some sessions for so long."""
    for name in names:
        key = KEYS.session(name)
        then = int(redis.hget(key, "x") or 0) - round(seconds * 1000)
        redis.hset(key, "x", then)
        redis.zadd(KEYS.expiry, {name: then})
