"""The way to the session Redis."""

from functools import cache
from typing import Final

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from limpet.errors import ConfigurationError, StoreUnavailable

#: A frozen server must not hold a job for ever; scripts take well under 10 ms.
TIMEOUT = 5.0
#: Re-sent commands are safe: every lease has a nonce and every release a number.
RETRIES = 3
_REASONS: Final[dict[type[RedisError], str]] = {
    AuthenticationError: "Redis refused the user name or password",
    OutOfMemoryError: "Redis is out of memory",
    ReadOnlyError: "this Redis is a read-only replica",
    BusyLoadingError: "Redis is still loading its data",
    RedisTimeoutError: f"no answer from Redis within {TIMEOUT:.0f} s",
    RedisConnectionError: "cannot reach Redis",
}
_CODES: Final = {
    "READONLY": "this Redis is a read-only replica",
    "OOM": "Redis is out of memory",
    "NOAUTH": "Redis wants a password",
}


@cache
def connect(url: str) -> Redis:
    """Return this process's client (thread-safe, pooled) for *url*; nothing is sent."""
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        socket_keepalive=True,
        health_check_interval=25,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), RETRIES),
        client_name="limpet",
    )


def store_error(error: RedisError) -> StoreUnavailable:
    """Say in one line what is wrong; the address, which may hold a password, is not."""
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return StoreUnavailable(reason)
    # Up to Redis 6, a script's own error has the code of what it met inside its text.
    for code, reason in _CODES.items():
        if code in str(error):
            return StoreUnavailable(reason)
    return StoreUnavailable(type(error).__name__)


def require_no_eviction(client: Redis) -> None:
    """Refuse a Redis that may drop sessions by itself.

    Raises:
        ConfigurationError: the eviction policy is not ``noeviction``.
        StoreUnavailable: Redis cannot be asked.
    """
    try:
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except RedisError as error:
        raise store_error(error) from None
    if policy != "noeviction":
        raise ConfigurationError(
            f"LIMPET_REDIS_URL: the session Redis has maxmemory-policy {policy!r} and "
            "would drop sessions when full; set it to 'noeviction', or "
            "LIMPET_ALLOW_EVICTION=true to accept that"
        )
