"""The sessions of one pool in Redis; every change is one script and one round trip."""

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.errors import InvalidSelection, LimpetError, StateUnreadable
from limpet.keys import POOL_NAME, POOLS
from limpet.lines import Arg, send, send_all
from limpet.scripts import Script
from proxies.health import HealthPolicy, Outcome
from proxies.strategies import dispatch, strategies
from sessions.operation import Give, Tally, Want, luck, milliseconds, nonce
from sessions.reads import NO_HASH, SessionReads
from sessions.session import Reason
from sessions.stats import PoolStats


@cache
def _script(name: str) -> Script:
    return Script("sessions", name)


class SessionStore(SessionReads):
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(
        self,
        client: Redis,
        pool: str,
        *,
        health: HealthPolicy | None = None,
        sources: dict[str, str] | None = None,
        max_errors: int = 3,
    ) -> None:
        """*sources* are the strategies that may be asked for; ours if not given.

        A session ends at *max_errors*; see ``lua/_judge.lua``.
        """
        super().__init__(client, pool)
        self._pool = pool
        health = health or HealthPolicy()
        self._health = (
            f"{health.max_failures} {round(health.cooldown * 1000)} {health.alpha} "
            f"{round(health.window * 1000)}"
        )
        self._max_errors = max_errors
        self._sources = strategies() if sources is None else sources
        inserts = {"strategies": dispatch(self._sources)}
        self._choosing = {
            name: Script("sessions", name, inserts)
            for name in ("acquire", "borrow", "move", "restore")
        }
        self._where = self._keys.named

    def acquire(self, session_id: str, want: Want) -> list[Any]:
        """Return the script's reply as it is."""
        return self._run(self._choosing["acquire"], [session_id, *self._wanted(want)])

    def borrow(self, order: str, want: Want) -> list[Any]:
        call = secrets.token_hex(8)
        return self._run(self._choosing["borrow"], [order, *self._wanted(want), call])

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
            replies = send_all(self._client, [first, then])
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # Both are safe to send again: a release has its token, an acquire
                # its nonce.
                for script in (release, acquire):
                    self._client.script_load(script.source)
                replies = send_all(self._client, [first, then])
        except STORE_ERRORS as error:
            raise store_error(error) from None
        for reply in replies:
            if isinstance(reply, STORE_ERRORS):
                self._give_back(next_id, replies[1])
                raise store_error(reply) from None
        return replies[0], replies[1]

    def _give_back(self, session_id: str, reply: Any) -> None:
        """End the lease that *reply* gives, if it gives one: nobody will have it."""
        if isinstance(reply, list) and reply[0] in b"CHFR":
            with suppress(LimpetError):  # it ends by itself
                self.release(session_id, reply[1].decode(), Give(Outcome.NONE))

    def renew(self, session_id: str, token: str, hold: float) -> bool:
        return self._run(_script("renew"), [session_id, token, milliseconds(hold)]) == [
            1
        ]

    def progress(
        self,
        session_id: str,
        token: str,
        hold: float,
        tally: Tally,
        state: bytes,
        *,
        more: bool,
    ) -> list[int]:
        """Return {state version, requests left}, both -1 when the lease is lost."""
        arguments: list[Arg] = [session_id, token, milliseconds(hold)]
        arguments += tally.arguments(self._health, state, more=more)
        return [int(part) for part in self._run(_script("progress"), arguments)]

    def touch(self, session_id: str) -> bool:
        return self._one(_script("touch"), [session_id]) != 0

    def close(self, session_id: str, reason: Reason) -> bool:
        return self._one(_script("close"), [reason.value, session_id, 1]) == 1

    def clear(self, batch: int) -> int:
        """End up to *batch* sessions; return how many, 0 when none is left."""
        ended = self._one(_script("close"), [Reason.CLOSED.value, "", batch])
        assert isinstance(ended, int)
        return ended

    def reap(self, batch: int) -> int:
        """Settle up to *batch* leases of dead holders; return how many."""
        settled = self._one(_script("reap"), [batch])
        assert isinstance(settled, int)
        return settled

    def expire(self, batch: int) -> list[Any]:
        """Settle leases of dead holders, and look at sessions whose time is over.

        Returns how many were settled, how many looked at, *batch* together at most; how
        many were removed as idle and as too old, and the names of those that cannot be.
        """
        return self._run(_script("expire"), [batch])

    def measure(self, sample: int) -> list[int]:
        """Return {sessions, those sampled, bytes of those, proxies due}."""
        return self._run(_script("measure"), [sample])

    def evict(self, most: int, start: int) -> list[int]:
        """Return {ended, put in order, more to pass over}; *start* are passed over."""
        return self._run(_script("evict"), [most, start])

    def retire(self, ids: Sequence[str], idle: float) -> int:
        """End those that nobody has used for *idle* seconds; return how many."""
        ended = self._one(_script("retire"), [milliseconds(idle), *ids])
        assert isinstance(ended, int)
        return ended

    def stats(self) -> PoolStats:
        return PoolStats.read(self._pool, self._run(_script("stats"), []))

    def page(
        self, start: int, count: int, *, last_first: bool
    ) -> tuple[list[int], list[tuple[str, dict[str, str]]]]:
        """Return {sessions, expired, leases, now in ms}, and some with their fields."""
        arguments: list[Arg] = [start, count, int(last_first)]
        reply = self._run(_script("page"), arguments)
        counts, names, rows = reply[:4], reply[4::2], reply[5::2]
        found = zip(map(as_text, names), map(_row, rows), strict=True)
        return counts, list(found)

    def put_state(self, session_id: str, version: int, state: bytes) -> list[Any]:
        """Return {status, version}."""
        return self._run(_script("put_state"), [session_id, version, state, nonce()])

    def move(
        self, ids: Sequence[str], *, leave: str, to: str, reason: str, plan: str
    ) -> list[Any]:
        moved, left = [0, 0, 0], list(ids)
        while left:
            arguments: list[Arg] = [leave, to, reason, plan, luck(), *left]
            reply = self._run(self._choosing["move"], arguments)
            if reply[0] in {b"I", b"P"}:
                return reply
            moved = [sum(pair) for pair in zip(moved, reply[:3], strict=True)]
            left = left[reply[3] :]
        return moved

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
        arguments: list[Arg] = [session_id, proxy, plan, luck(), state, int(replace)]
        arguments += flat
        return self._run(self._choosing["restore"], arguments)

    def state(self, session_id: str) -> tuple[int | None, bytes | None]:
        """Return the state's version, `None` for no session, and the state itself.

        Raises:
            StateUnreadable: the version is no number.
        """
        version, blob = self._run(_script("state"), [session_id])
        try:
            return (None if version == b"-1" else int(version)), blob
        except ValueError:
            raise StateUnreadable from None

    def reseal(self, session_id: str, old: bytes, new: bytes) -> bool:
        """Put *new* where *old* is; False when that is not there any more."""
        return self._one(_script("reseal"), [session_id, old, new]) == 1

    def _wanted(self, want: Want) -> list[Arg]:
        if not want.selection.strategies <= self._sources.keys():
            known = ", ".join(sorted(self._sources))
            raise InvalidSelection("strategy", f"one of {known}")
        return want.arguments()

    def _given(self, give: Give) -> list[Arg]:
        return give.arguments(self._health, self._max_errors)

    def _run(self, script: Script, args: list[Arg]) -> list[Any]:
        reply = self._one(script, args)
        assert isinstance(reply, list)
        return reply

    def _one(self, script: Script, args: list[Arg]) -> object:
        try:
            return script(self._client, self._where, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def _row(record: bytes | int) -> dict[str, str]:
    """Read what ``lua/page.lua`` says of one session."""
    if isinstance(record, int):
        return dict(NO_HASH)
    parts = iter(as_text(record).split("\n") if record else ())
    try:
        return dict(zip(parts, parts, strict=True))  # in pairs
    except ValueError:  # a line feed in a value: it is none of ours
        return dict(NO_HASH)


def pool_names(client: Redis) -> list[str]:
    """The pools that exist, by name."""
    try:
        found = send(client, ["SMEMBERS", POOLS])
    except STORE_ERRORS as error:
        raise store_error(error) from None
    # What no pool can be called, something else has written there.
    return sorted(name for name in map(as_text, found) if re.match(POOL_NAME, name))
