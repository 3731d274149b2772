"""The sessions of one pool in Redis; every change is one script and one round trip."""

import random
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from limpet.connection import store_error
from limpet.keys import POOLS, Keys
from limpet.scripts import Script
from sessions.session import SessionPolicy

_ACQUIRE = Script("sessions", "acquire")
_RELEASE = Script("sessions", "release")
_CLOSE = Script("sessions", "close")
_REAP = Script("sessions", "reap")
_STATS = Script("sessions", "stats")


class SessionStore:
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, pool: str, policy: SessionPolicy) -> None:
        self._client = client
        self._policy = policy
        self._keys = keys = Keys(pool)
        self._bound = [keys.expiry, keys.leases, keys.counters]
        self._proxies = [keys.usable, keys.cooling, keys.live]

    def acquire(self, session_id: str, nonce: str, *, hold: float) -> list[Any]:
        """Return the script's reply as it is; *hold* is in seconds."""
        keys = [*self._of(session_id), *self._bound, *self._proxies, self._keys.proxies]
        times = (self._policy.idle_ttl, self._policy.max_age, hold)
        milliseconds = (round(seconds * 1000) for seconds in times)
        return self._run(_ACQUIRE, keys, [session_id, nonce, *milliseconds])

    def release(
        self, session_id: str, token: str, fault: float, *, state: bytes, close: bool
    ) -> list[Any]:
        """Return {status, state version}; *fault* is as the script takes it."""
        luck = random.random()  # noqa: S311 - spreads cool-downs, hides nothing
        health = (self._policy.max_failures, round(self._policy.cooldown * 1000), luck)
        return self._run(
            _RELEASE,
            [*self._of(session_id), *self._bound, *self._proxies],
            [session_id, token, fault, *health, state, int(close)],
        )

    def close(self, session_id: str) -> bool:
        keys = self._keys
        where = [*self._of(session_id), keys.expiry, keys.counters, keys.live]
        return self._run(_CLOSE, where, [session_id]) == [1]

    def reap(self, batch: int) -> list[Any]:
        where = [self._keys.sessions, self._keys.states, *self._bound, *self._proxies]
        return self._run(_REAP, where, [batch])

    def stats(self) -> list[Any]:
        keys = self._keys
        return self._run(_STATS, [*self._bound, keys.usable, keys.cooling], [])

    def add_snapshot(self, fields: dict[str, int], *, keep: int) -> None:
        """Append to the live stream, which holds about *keep* snapshots."""
        try:
            self._client.xadd(
                self._keys.snapshots,
                fields,  # type: ignore[arg-type] # redis-py's dict is invariant
                maxlen=keep,
                approximate=True,
            )
        except RedisError as error:
            raise store_error(error) from None

    def _of(self, session_id: str) -> list[str]:
        return [self._keys.session(session_id), self._keys.state(session_id)]

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> list[Any]:
        try:
            reply = script(self._client, keys, args)
        except RedisError as error:
            raise store_error(error) from None
        assert isinstance(reply, list)
        return reply


def pool_names(client: Redis) -> list[str]:
    """The pools that exist, by name."""
    try:
        found = client.smembers(POOLS)
    except RedisError as error:
        raise store_error(error) from None
    return sorted(name.decode() for name in found if isinstance(name, bytes))
