"""The sessions of a pool that lies in several shards, as those of one.

What is asked for a session goes to the one shard that its name lies in, in as many
trips as for any pool. What is asked of the pool is asked of each shard.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from redis import Redis

from limpet.errors import InvalidSelection
from limpet.keys import Keys
from limpet.shards import next_cursor, shard_names, shard_of, split_cursor
from sessions.operation import Give, Tally, Want
from sessions.paging import Paging
from sessions.reads import Found, moment
from sessions.session import Reason, SessionPolicy
from sessions.stats import PoolStats
from sessions.store import SessionStore

#: Seconds that one search looks, as in one shard.
_FIND_TIME: Final = 0.3
#: Bits for what is passed over in one shard: more sessions than any has.
_PASSED: Final = 32

T = TypeVar("T")


class ShardedStore(SessionStore):
    """Redis for one pool of several shards; raises as `SessionStore` does."""

    def __init__(
        self,
        client: Redis,
        pool: str,
        count: int,
        *,
        direct: bool = False,
        **options: Any,
    ) -> None:
        """*options* are those of `SessionStore`, and hold for each shard."""
        super().__init__(client, pool, **options)
        names = shard_names(pool, count)
        self._shards = [SessionStore(client, name, **options) for name in names]
        self._paging = Paging(client, [Keys(name).expiry for name in names])
        self._direct = direct
        #: The shard that the clean-up goes on with.
        self._turn = 0

    # --- one session ------------------------------------------------------------

    def acquire(self, session_id: str, want: Want) -> list[Any]:
        store = self._of(session_id)
        return self._told(want, store.acquire(session_id, self._share(want)))

    def release(self, session_id: str, token: str, give: Give) -> list[Any]:
        return self._of(session_id).release(session_id, token, give)

    def release_and_acquire(
        self, session_id: str, token: str, give: Give, next_id: str, want: Want
    ) -> tuple[list[Any], list[Any]]:
        """Do both: in one trip, if both sessions lie in one shard."""
        first, then = self._of(session_id), self._of(next_id)
        if first is then:
            share = self._share(want)
            done, taken = first.release_and_acquire(
                session_id, token, give, next_id, share
            )
            return done, self._told(want, taken)
        done = first.release(session_id, token, give)
        return done, self.acquire(next_id, want)

    def renew(self, session_id: str, token: str, hold: float) -> bool:
        return self._of(session_id).renew(session_id, token, hold)

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
        store = self._of(session_id)
        return store.progress(session_id, token, hold, tally, state, more=more)

    def touch(self, session_id: str) -> bool:
        return self._of(session_id).touch(session_id)

    def close(self, session_id: str, reason: Reason) -> bool:
        return self._of(session_id).close(session_id, reason)

    def state(self, session_id: str) -> tuple[int | None, bytes | None]:
        return self._of(session_id).state(session_id)

    def reseal(self, session_id: str, old: bytes, new: bytes) -> bool:
        return self._of(session_id).reseal(session_id, old, new)

    def put_state(self, session_id: str, version: int, state: bytes) -> list[Any]:
        return self._of(session_id).put_state(session_id, version, state)

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
        return self._of(session_id).restore(
            session_id, proxy, fields, state, plan=plan, replace=replace
        )

    # --- some sessions ----------------------------------------------------------

    def fields(self, ids: Iterable[str]) -> list[dict[str, str]]:
        return self._each(ids, SessionStore.fields)

    def homes(self, ids: Iterable[str]) -> list[str]:
        return self._each(ids, SessionStore.homes)

    def retire(self, ids: Sequence[str], idle: float) -> int:
        return sum(shard.retire(some, idle) for shard, some in self._apart(ids))

    def move(
        self, ids: Sequence[str], *, leave: str, to: str, reason: str, plan: str
    ) -> list[Any]:
        """As `SessionStore` does; again for those left, when an index is missing.

        Raises:
            InvalidSelection: *to* may not be used now, or lies in another shard.
        """
        moved = [0, 0, 0]
        for shard, some in self._apart(ids):
            reply = shard.move(some, leave=leave, to=to, reason=reason, plan=plan)
            if reply[0] == b"I":
                return reply
            if reply[0] == b"P":
                raise InvalidSelection(
                    "to", "a proxy of the session's own shard that may be used now"
                )
            moved = [sum(pair) for pair in zip(moved, reply, strict=True)]
        return moved

    # --- the pool ---------------------------------------------------------------

    def borrow(self, order: str, want: Want) -> list[Any]:
        """Lease a warm session of any shard that has one, beginning with any.

        In *order* they are within each shard.
        """
        waits = []
        for shard in random.sample(self._shards, len(self._shards)):
            reply = shard.borrow(order, want)
            if reply[0] != b"E":
                return reply
            waits += [reply[1]] if reply[1] > 0 else []
        return [b"E", min(waits, default=-1)]

    def ids(self, cursor: int, count: int) -> tuple[int, list[str]]:
        """Return some sessions and where to go on: one shard after the other."""
        number, inner = split_cursor(cursor, len(self._shards))
        inner, names = self._shards[number].ids(inner, count)
        return next_cursor(number, inner, len(self._shards)), names

    def find(self, prefix: str, most: int, cursor: int = 0) -> Found:
        names: list[str] = []
        until = time.monotonic() + _FIND_TIME
        while True:
            number, inner = split_cursor(cursor, len(self._shards))
            found = self._shards[number].find(prefix, most - len(names), inner)
            names += found.names
            cursor = next_cursor(number, found.cursor, len(self._shards))
            if not cursor or len(names) >= most or time.monotonic() > until:
                return Found(sorted(names), cursor)

    def page(
        self, start: int, count: int, *, last_first: bool
    ) -> tuple[list[int], list[tuple[str, dict[str, str]]]]:
        parts = [shard.page(0, 0, last_first=False)[0] for shard in self._shards]
        total, waiting, leases, _ = map(sum, zip(*parts, strict=True))
        names = self._paging.names(start, count, total=total, last_first=last_first)
        now = max(part[-1] for part in parts)
        found = list(zip(names, self.fields(names), strict=True))
        return [total, waiting, leases, now], found

    def audit(self, count: int) -> list[tuple[str, dict[str, str]]]:
        found = [event for shard in self._shards for event in shard.audit(count)]
        return sorted(found, key=moment, reverse=True)[:count]

    def stats(self) -> PoolStats:
        parts = [shard.stats() for shard in self._shards]
        return PoolStats.together(self._pool, parts, direct=self._direct)

    def clear(self, batch: int) -> int:
        for shard in self._shards:
            if ended := shard.clear(batch):
                return ended
        return 0

    def reap(self, batch: int) -> int:
        settled = 0
        for shard in self._shards:
            if settled < batch:
                settled += shard.reap(batch - settled)
        return settled

    def expire(self, batch: int) -> list[Any]:
        counts, stuck = [0, 0, 0, 0], list[bytes]()
        for shard in self._in_turn():
            *more, names = shard.expire(batch - sum(counts[:2]))
            counts = [sum(both) for both in zip(counts, more, strict=True)]
            stuck += names
            if sum(counts[:2]) >= batch:
                break
        return [*counts, stuck]

    def measure(self, sample: int) -> list[int]:
        share = -(-sample // len(self._shards))
        sessions = sampled = due = 0
        size = 0.0
        for shard in self._shards:
            there, seen, taken, cooled = shard.measure(share)
            sessions, sampled, due = sessions + there, sampled + seen, due + cooled
            # A shard with more sessions counts for more, however many were looked at.
            size += taken / seen * there if seen else 0
        return [
            sessions,
            sampled,
            round(size / sessions * sampled) if sessions else 0,
            due,
        ]

    def evict(self, most: int, start: int) -> list[int]:
        """End about *most*, a share of each shard; *start* is as it was returned."""
        share = -(-most // len(self._shards))
        total = [0, 0, 0]
        for number, shard in enumerate(self._shards):
            place = number * _PASSED
            passed = start >> place & (1 << _PASSED) - 1
            ended, moved, more = shard.evict(share, passed)
            parts = (ended, moved, more << place)
            total = [sum(pair) for pair in zip(total, parts, strict=True)]
        return total

    # --- shards -----------------------------------------------------------------

    def _of(self, session_id: str) -> SessionStore:
        return self._shards[shard_of(session_id, len(self._shards))]

    def _apart(self, ids: Iterable[str]) -> Iterator[tuple[SessionStore, list[str]]]:
        theirs: dict[SessionStore, list[str]] = defaultdict(list)
        for one in ids:
            theirs[self._of(one)].append(one)
        yield from theirs.items()

    def _each(
        self, ids: Iterable[str], read: Callable[[SessionStore, list[str]], list[T]]
    ) -> list[T]:
        """Read of each session what its shard says, in their order."""
        wanted = list(ids)
        found = {
            one: said
            for shard, some in self._apart(wanted)
            for one, said in zip(some, read(shard, some), strict=True)
        }
        return [found[one] for one in wanted]

    def _in_turn(self) -> Iterator[SessionStore]:
        """Go through the shards; who stops at one goes on with it."""
        first = self._turn
        for number in range(len(self._shards)):
            self._turn = (first + number) % len(self._shards)
            yield self._shards[self._turn]

    def _share(self, want: Want) -> Want:
        """Return *want* of a shard, which may have a part of the pool's sessions."""
        if not want.policy.max_sessions:
            return want
        return replace(want, policy=_part(want.policy, len(self._shards)))

    @staticmethod
    def _told(want: Want, reply: list[Any]) -> list[Any]:
        """Have a refusal name what the whole pool may have."""
        return [b"L", want.policy.max_sessions] if reply[0] == b"L" else reply


@lru_cache(maxsize=256)
def _part(policy: SessionPolicy, count: int) -> SessionPolicy:
    return replace(policy, max_sessions=-(-policy.max_sessions // count))
