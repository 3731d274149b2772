"""Remove sessions whose time is over, by plain commands in an optimistic transaction.

``sessions/lua/_expire.lua`` does the same inside Redis, where it is needed, and takes
twice as long: most of that is handing each field of each record to Lua and back. Here
the records are read and watched, judged by us, and removed by one transaction, which
Redis drops when anybody has touched one of them since. Then, and for a record that
makes no sense, a full Redis, or any other error, there is the
script.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

from limpet.connection import STORE_ERRORS
from limpet.keys import Keys
from limpet.lines import Arg, Command, pack, talk
from limpet.scripts import Script
from sessions.operation import TEMPORARY
from sessions.session import Reason

#: As FIGURES in ``sessions/lua/_lived.lua``: proxy, expires, deadline of its leases,
#: max age, and what history keeps; in place of the last one the id is told.
_FIELDS: Final = ("p", "x", "d", "a", "m", "n", "g", "y", "v")
#: Of a time in ms, which has 13 of them until the year 2286.
_DIGITS: Final = 13
#: Audit events that are kept, about; as everywhere.
_EVENTS: Final = 50_000


class _Odd(Exception):
    """A case for the script."""


@dataclass(slots=True)
class _Plan:
    """What one transaction does."""

    gone: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    moved: list[Arg] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    counts: Counter[Reason] = field(default_factory=Counter)
    ended: dict[Reason, list[list[str | bool]]] = field(default_factory=dict)
    lives: Counter[str] = field(default_factory=Counter)


class Sweep:
    """Looks at a pool's sessions that may be over, some at a time."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def __call__(self, most: int) -> list[Any] | None:
        """Look at up to *most* sessions; `None` when the script has to.

        Returns how many, how many were removed as idle and as too old, and no names.
        """
        try:
            with self._connection() as connection:
                now, ids = self._due(connection, most)
                plan = self._read(connection, ids, now) if ids else _Plan()
                commands, left = self._commands(plan)
                replies = _talk(connection, commands)[-1]
        except (*STORE_ERRORS, _Odd, UnicodeDecodeError):
            return None
        if replies is None:
            return None  # somebody was here
        # A counter or a stream that something else has written to is an error here. The
        # sessions are gone all the same; health names what is damaged.
        empty = [
            proxy
            for proxy, count in zip(left, replies, strict=False)
            if isinstance(count, int) and count <= 0
        ]
        if empty:
            _leave()(self._client, [self._keys.tag], [*empty])
        return [len(ids), plan.counts[Reason.IDLE], plan.counts[Reason.MAX_AGE], []]

    def _due(self, connection: Any, most: int) -> tuple[int, list[str]]:
        """Return Redis' time in ms, and the sessions whose time it may be.

        The index is lazy: the records know better.
        """
        first: Command = ["ZRANGE", self._keys.expiry, 0, most - 1, "WITHSCORES"]
        (seconds, micros), head = _talk(connection, [["TIME"], first])
        now = int(seconds) * 1000 + int(micros) // 1000
        if head and not isinstance(head[0], list):  # RESP 2
            head = zip(head[::2], head[1::2], strict=True)
        return now, [name.decode() for name, score in head if float(score) <= now]

    def _read(self, connection: Any, ids: Sequence[str], now: int) -> _Plan:
        names = [self._keys.session(name) for name in ids]
        watch: Command = ["WATCH", *names]
        _, *records = _talk(
            connection, [watch, *(["HMGET", name, *_FIELDS] for name in names)]
        )
        plan = _Plan()
        for session, name, record in zip(ids, names, records, strict=True):
            ends = _ends(record)
            if ends > now:
                plan.moved += [ends, session]
                continue
            plan.gone.append(session)
            plan.keys.append(name)
            if record[-1] is not None:
                plan.keys.append(self._keys.states + session)
            if record[0] is not None:
                _tell(plan, session, record)
        return plan

    def _commands(self, plan: _Plan) -> tuple[list[Command], list[str]]:
        """Return the transaction, and the proxies that its first replies are about."""
        keys = self._keys
        left = list(plan.left)
        commands: list[Command] = [["MULTI"]]
        for proxy in left:
            live = keys.live_proxy(proxy)
            commands.append(["HINCRBY", live, "sessions", -plan.left[proxy]])
        if plan.moved:
            commands.append(["ZADD", keys.expiry, *plan.moved])
        if plan.gone:
            commands.append(["UNLINK", *plan.keys])
            indexes = (keys.expiry, keys.warm, keys.warm_next)
            commands += [["ZREM", index, *plan.gone] for index in indexes]
        for name, count in plan.lives.items():
            commands.append(["HINCRBY", keys.lifetimes, name, count])
        for reason, count in plan.counts.items():
            commands.append(["HINCRBY", keys.counters, f"closed_{reason}", count])
        for reason, ended in plan.ended.items():
            told = " ".join(str(one[-1]) for one in ended)
            event = ["event", "closed", "sessions", told, "reason", reason.value]
            event += ["ended", json.dumps(ended, ensure_ascii=False)]
            stay: list[Arg] = ["MAXLEN", "~", _EVENTS, "*"]
            commands.append(["XADD", keys.audit, *stay, *event])
        return [*commands, ["EXEC"]], left

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Lend a connection to the node that has the pool.

        redis-py's own pipelines send each command that follows a WATCH by itself.
        """
        client: Any = self._client
        # A Cluster's client has one of these for each node.
        if node_of := getattr(client, "get_node_from_key", None):
            client = client.get_redis_connection(node_of(self._keys.tag))
        pool = client.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


@cache
def _leave() -> Script:
    return Script("sessions", "leave")


def _talk(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send all, and return all replies; raise the first error once all are read."""
    replies = talk(connection, pack(commands), len(commands))
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


def _ends(record: Sequence[bytes | None]) -> int:
    """When a session ends, 0 if there is none."""
    return max(_number(record[1]), _number(record[2])) if record[0] else 0


def _number(value: bytes | None) -> int:
    if value is None or not value.isdigit() or len(value) > _DIGITS:
        raise _Odd
    return int(value)


def _tell(plan: _Plan, session: str, record: Sequence[bytes | None]) -> None:
    """Take a session that has ended into the counts; as in ``sessions/lua``."""
    proxy = record[0]
    assert proxy is not None
    plan.left[proxy.decode()] += 1
    reason = Reason.MAX_AGE if record[1] == record[3] else Reason.IDLE
    plan.counts[reason] += 1
    if session.startswith(TEMPORARY):
        return  # counted, not told
    told: list[str | bool] = [value is not None and value.decode() for value in record]
    plan.ended.setdefault(reason, []).append([*told[:-1], session])
    lived = max(0, _number(record[1]) - _number(record[3]) + _number(record[4]))
    plan.lives[str(max(0, math.frexp(lived / 1000)[1]))] += 1
    plan.lives["sum"] += lived
