"""The sessions of one pool in Redis; every change is one script and one round trip."""

import random
import secrets
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from limpet.connection import STORE_ERRORS, store_error
from limpet.errors import InvalidSelection
from limpet.keys import POOLS, Keys
from limpet.scripts import Script
from proxies.health import HealthPolicy, Outcome
from proxies.selection import Selection
from proxies.strategies import dispatch, strategies
from sessions.place import place
from sessions.session import TIME_BUCKETS, Reason, SessionPolicy

#: An argument of a script.
Arg = str | int | float | bytes


@dataclass(frozen=True, slots=True)
class Want:
    """What an acquire asks for; *hold* in seconds, *known* is a state's version."""

    nonce: str
    hold: float
    policy: SessionPolicy
    selection: Selection
    domain: str = ""
    known: int | None = None


@dataclass(frozen=True, slots=True)
class Give:
    """What a release says; *elapsed* in seconds, *size* in bytes."""

    outcome: Outcome
    fault: float = 1.0
    elapsed: float | None = None
    size: int = 0
    url: str = ""
    domain: str = ""
    state: bytes = b""
    expected: int | None = None
    close: Reason | None = None


@cache
def _script(name: str) -> Script:
    return Script("sessions", name)


class SessionStore:
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(
        self,
        client: Redis,
        pool: str,
        *,
        health: HealthPolicy | None = None,
        sources: dict[str, str] | None = None,
    ) -> None:
        """*sources* are the strategies that may be asked for; ours if not given."""
        self._client = client
        self._pool = pool
        health = health or HealthPolicy()
        self._health = (
            f"{health.max_failures} {round(health.cooldown * 1000)} {health.alpha} "
            f"{round(health.window * 1000)}"
        )
        self._sources = strategies() if sources is None else sources
        inserts = {"strategies": dispatch(self._sources)}
        self._choosing = {
            name: Script("sessions", name, inserts)
            for name in ("acquire", "borrow", "move", "restore")
        }
        self._keys = k = Keys(pool)
        self._where = [
            *(k.sessions, k.states, k.expiry, k.leases, k.counters, k.audit, k.warm),
            *(k.warm_next, k.proxies, k.live, k.usable, k.registry, k.indexes),
            *(k.cooling, k.bans, k.times),
        ]

    def acquire(self, session_id: str, want: Want) -> list[Any]:
        """Return the script's reply as it is."""
        return self._run(self._choosing["acquire"], [session_id, *self._wanted(want)])

    def borrow(self, order: str, want: Want) -> list[Any]:
        where = [*self._where, f"{self._keys.warm}:{want.nonce}"]
        return self._run(self._choosing["borrow"], [order, *self._wanted(want)], where)

    def release(self, session_id: str, token: str, give: Give) -> list[Any]:
        """Return {status, state version}."""
        return self._run(_script("release"), [session_id, token, *self._given(give)])

    def release_and_acquire(
        self, session_id: str, token: str, give: Give, next_id: str, want: Want
    ) -> tuple[list[Any], list[Any]]:
        """Do both in one trip; return both replies."""
        release, acquire = _script("release"), self._choosing["acquire"]
        first = release.command(self._where, [session_id, token, *self._given(give)])
        then = acquire.command(self._where, [next_id, *self._wanted(want)])
        try:
            replies = self._pipeline([first, then])
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # Both are safe to send again: a release has its token, an acquire
                # its nonce.
                for script in (release, acquire):
                    self._client.script_load(script.source)
                replies = self._pipeline([first, then])
        except STORE_ERRORS as error:
            raise store_error(error) from None
        for reply in replies:
            if isinstance(reply, STORE_ERRORS):
                raise store_error(reply) from None
        return replies[0], replies[1]

    def renew(self, session_id: str, token: str, hold: float) -> bool:
        return self._run(_script("renew"), [session_id, token, _ms(hold)]) == [1]

    def touch(self, session_id: str) -> bool:
        return self._one(_script("touch"), [session_id]) != 0

    def close(self, session_id: str, reason: Reason) -> bool:
        return self._one(_script("close"), [reason.value, session_id, 1]) == 1

    def clear(self, batch: int) -> int:
        """End up to *batch* sessions; return how many, 0 when none is left."""
        ended = self._one(_script("close"), [Reason.CLOSED.value, "", batch])
        assert isinstance(ended, int)
        return ended

    def reap(self, batch: int) -> list[Any]:
        return self._run(_script("reap"), [batch])

    def stats(self) -> list[Any]:
        return self._run(_script("stats"), [])

    def put_state(self, session_id: str, version: int, state: bytes) -> list[Any]:
        """Return {status, version}."""
        nonce = secrets.token_hex(4)
        return self._run(_script("put_state"), [session_id, version, state, nonce])

    def move(
        self, ids: Sequence[str], *, leave: str, to: str, reason: str, plan: str
    ) -> list[Any]:
        arguments: list[Arg] = [leave, to, reason, plan, _luck(), *ids]
        return self._run(self._choosing["move"], arguments)

    def restore(
        self,
        session_id: str,
        proxy: str,
        fields: dict[str, str],
        state: bytes,
        *,
        plan: str,
        replace: bool,
    ) -> list[Any]:
        flat = [part for pair in fields.items() for part in pair]
        arguments: list[Arg] = [session_id, proxy, plan, _luck(), state, int(replace)]
        arguments += flat
        return self._run(self._choosing["restore"], arguments)

    def fields(self, ids: Iterable[str]) -> list[dict[str, str]]:
        """Return the fields of each session, an empty dict where there is none."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for session_id in ids:
                    pipe.hgetall(self._keys.session(session_id))
                rows = pipe.execute()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [{k.decode(): v.decode() for k, v in row.items()} for row in rows]

    def state(self, session_id: str) -> tuple[int | None, bytes | None]:
        """Return the state's version, `None` for no session, and the state itself."""
        version, blob = self._run(_script("state"), [session_id])
        return (None if version < 0 else version), blob

    def ids(self, cursor: int, count: int) -> tuple[int, list[str]]:
        """Return some sessions and where to go on, 0 at the end; see ZSCAN."""
        try:
            reply: Any = self._client.zscan(self._keys.expiry, cursor, count=count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(reply[0]), [name.decode() for name, _ in reply[1]]

    def audit(self, count: int) -> list[tuple[str, dict[str, str]]]:
        """Return the newest *count* audit events, the newest first."""
        try:
            found: Any = self._client.xrevrange(self._keys.audit, count=count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [
            (key.decode(), {k.decode(): v.decode() for k, v in event.items()})
            for key, event in found
        ]

    def add_snapshot(self, fields: dict[str, int], *, keep: int) -> None:
        """Append to the live stream, which holds about *keep* snapshots."""
        try:
            self._client.xadd(
                self._keys.snapshots,
                fields,  # type: ignore[arg-type] # redis-py's dict is invariant
                maxlen=keep,
                approximate=True,
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def _wanted(self, want: Want) -> list[Arg]:
        if not want.selection.strategies <= self._sources.keys():
            known = ", ".join(sorted(self._sources))
            raise InvalidSelection("strategy", f"one of {known}")
        excluded = "".join(f",{proxy}" for proxy in want.selection.exclude)
        return [
            want.nonce,
            _ms(want.hold),
            want.policy.packed,
            want.selection.plan,
            excluded and f"{excluded},",
            want.domain,
            "" if want.known is None else want.known,
            _luck(),
        ]

    def _given(self, give: Give) -> list[Arg]:
        elapsed = None if give.elapsed is None else max(0, _ms(give.elapsed))
        bucket = 0 if elapsed is None else bisect_left(TIME_BUCKETS, elapsed)
        return [
            give.outcome.value,
            give.fault,
            self._health,
            _luck(),
            "" if elapsed is None else elapsed,
            give.size,
            TIME_BUCKETS[min(bucket, len(TIME_BUCKETS) - 1)],
            place(give.url),
            give.state,
            "" if give.expected is None else give.expected,
            "" if give.close is None else give.close.value,
            give.domain,
        ]

    def _pipeline(self, commands: list[list[Arg]]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipe.execute(raise_on_error=False)

    def _run(
        self, script: Script, args: list[Arg], where: list[str] | None = None
    ) -> list[Any]:
        reply = self._one(script, args, where)
        assert isinstance(reply, list)
        return reply

    def _one(
        self, script: Script, args: list[Arg], where: list[str] | None = None
    ) -> object:
        try:
            return script(self._client, where or self._where, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def pool_names(client: Redis) -> list[str]:
    """The pools that exist, by name."""
    try:
        found = client.smembers(POOLS)
    except STORE_ERRORS as error:
        raise store_error(error) from None
    return sorted(name.decode() for name in found if isinstance(name, bytes))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _luck() -> float:
    """What scripts draw lots with: Redis 6 gives them the same numbers each time."""
    return random.random()  # noqa: S311 - spreads load, hides nothing
