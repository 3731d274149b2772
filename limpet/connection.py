"""The way to the session Redis."""

import re
from functools import cache
from typing import Any, Final, cast

from redis import Redis, RedisCluster
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from limpet.errors import (
    ConfigurationError,
    LimpetError,
    ScriptFailed,
    StoreDamaged,
    StoreUnavailable,
)
from limpet.sentinel import behind_sentinel
from limpet.settings import Settings
from limpet.urls import SENTINEL

#: A frozen server must not hold a job for ever; scripts take well under 10 ms.
TIMEOUT = 5.0
#: Re-sent commands are safe: every lease has a nonce and every release a number.
RETRIES = 3
#: Connections of one process. Who needs one more gets an error, where redis-py has 100:
#: a worker of 200 threads may keep some and want others.
_CONNECTIONS: Final = 1000
#: What a client raises; that of a cluster does not keep to redis-py's own tree.
STORE_ERRORS: Final = (RedisError, RedisClusterException)
_REASONS: Final[dict[type[Exception], str]] = {
    AuthenticationError: "Redis refused the user name or password",
    OutOfMemoryError: "Redis is out of memory",
    ReadOnlyError: "this Redis is a read-only replica",
    BusyLoadingError: "Redis is still loading its data",
    RedisTimeoutError: "no answer from Redis in time",
    RedisConnectionError: "cannot reach Redis",
    RedisClusterException: "cannot reach the Redis cluster",
    ClusterError: "the Redis cluster is down, or is moving what this is about",
}
_NO_NUMBER: Final = "what should be a number is none"
_CODES: Final = {
    "READONLY": StoreUnavailable("this Redis is a read-only replica"),
    "OOM": StoreUnavailable("Redis is out of memory"),
    "NOAUTH": StoreUnavailable("Redis wants a password"),
    # Of a key that something else has written to.
    "WRONGTYPE": StoreDamaged("a key is of another type than it should be"),
    "is not an integer": StoreDamaged(_NO_NUMBER),
    "is not a float": StoreDamaged(_NO_NUMBER),
    "not a valid float": StoreDamaged(_NO_NUMBER),
}
#: An error of Lua itself. One of a command that a script has called has an ``@`` there.
_BROKEN: Final = re.compile(r"compiling script|(?<!@)user_script:\d+: ")


@cache
def connect(
    url: str,
    *,
    cluster: bool = False,
    master: str = "",
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
) -> Redis:
    """Return this process's client (thread-safe, pooled) for *url*.

    Nothing is sent yet, but to a *cluster*, whose nodes are asked for at once: that may
    raise `StoreUnavailable`. All that we use of a client is the same for both.
    *master* is the name that Sentinels at *url* have for it. *timeout* is in seconds,
    for each of the tries.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries),
        "client_name": "limpet",
        "max_connections": _CONNECTIONS,
    }
    if url.startswith(SENTINEL):
        return behind_sentinel(url, master, options)
    if not cluster:
        return Redis.from_url(url, **options)
    try:
        return cast("Redis", RedisCluster.from_url(url, **options))
    except STORE_ERRORS as error:
        raise store_error(error) from None


def session_redis(settings: Settings) -> Redis:
    """Return this process's client of the session Redis."""
    return connect(
        settings.sessions_url,
        cluster=settings.redis_cluster,
        master=settings.session_sentinel_master,
    )


def impatient_redis(settings: Settings) -> Redis:
    """Return one for looks at how things are: it asks once, and does not wait long."""
    return connect(
        settings.sessions_url,
        cluster=settings.redis_cluster,
        master=settings.session_sentinel_master,
        timeout=settings.health_timeout_seconds,
        retries=0,
    )


def store_error(error: Exception) -> LimpetError:
    """Say in one line what is wrong; the address, which may hold a password, is not.

    `StoreUnavailable` for what passes, `StoreDamaged` and `ScriptFailed` for what does
    not.
    """
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return StoreUnavailable(reason)
    # Up to Redis 6, a script's own error has the code of what it met inside its text.
    for code, made in _CODES.items():
        if code in str(error):
            return type(made)(*made.args)
    if found := _BROKEN.search(str(error)):
        text = str(error)[found.start() :].partition("\n")[0]
        return ScriptFailed(text.partition(" script: ")[0][:200])
    return StoreUnavailable(type(error).__name__)


def as_text(raw: bytes) -> str:
    """Read what should be text; one that is damaged must not hide the others."""
    return raw.decode(errors="replace")


def require_no_eviction(client: Redis) -> None:
    """Refuse a Redis that may drop sessions by itself.

    Raises:
        ConfigurationError: the eviction policy is not ``noeviction``.
        StoreUnavailable: Redis cannot be asked.
    """
    try:
        policies = _eviction_policies(client)
    except STORE_ERRORS as error:
        raise store_error(error) from None
    if wrong := sorted(policies - {"noeviction"}):
        raise ConfigurationError(
            f"LIMPET_REDIS_URL: the session Redis has maxmemory-policy {wrong[0]!r} "
            "and would drop sessions when full; set it to 'noeviction', or "
            "LIMPET_ALLOW_EVICTION=true to accept that"
        )


def _eviction_policies(client: Redis) -> set[str]:
    found: Any = client
    if isinstance(found, RedisCluster):
        nodes = found.info("memory", target_nodes=RedisCluster.PRIMARIES)
        # One node answers for itself, several by their names.
        each = [nodes] if "maxmemory_policy" in nodes else nodes.values()
        return {node.get("maxmemory_policy", "noeviction") for node in each}
    return {client.info("memory").get("maxmemory_policy", "noeviction")}
