"""The history that Redis holds until it is in SQL: streams, read and trimmed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from redis import Redis, RedisCluster

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.errors import StoreDamaged
from limpet.keys import SYSTEM, Keys
from limpet.lines import Command, send, send_all
from limpet.scripts import Script
from limpet.shards import (
    MOST_SHARDS,
    NO_SHARDS,
    Shards,
    next_cursor,
    shard_of,
    split_cursor,
)

_COPY: Final = Script("history", "copy")
_WAITING: Final = Script("history", "waiting")
#: One snapshot a minute: a day of them stays in the live stream.
SNAPSHOTS_KEPT: Final = 1440
#: As many as scripts keep.
_EVENTS_KEPT: Final = 50_000
#: No time in Unix ms is later: it is in the year 2286, and SQL holds it.
LATEST: Final = 10**13 - 1
#: No entry of ours has a higher number within its ms; SQL holds it, whichever of the
#: shards it is of. A clock that was put back has Redis number on, but not as far.
_HIGHEST: Final = (2**31 - 1) // MOST_SHARDS - 1
#: Before the first entry of any stream.
START: Final = "0-0"

Entry = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a stream holds after some entry, the oldest first; *more* may follow.

    *gap*: that entry is gone, so those right after it may be gone too. *anew*: the
    stream is another one, which began after Redis had lost everything, and whose clock
    is behind; it was read from its start.
    """

    entries: list[Entry]
    more: bool = False
    gap: bool = False
    anew: bool = False


class HistoryStore:
    """Redis; raises `StoreUnavailable` when it does not do its work."""

    def __init__(self, client: Redis, shards: Shards = NO_SHARDS) -> None:
        self._client = client
        self.shards = shards

    # --- streams ----------------------------------------------------------------

    def add(self, stream: str, text: str) -> str:
        """Append a snapshot to a live stream; return its id there."""
        try:
            made = self._client.xadd(
                stream, {"json": text}, maxlen=SNAPSHOTS_KEPT, approximate=True
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None
        assert isinstance(made, bytes)
        return made.decode()

    def note(self, pool: str, event: Mapping[str, str]) -> None:
        """Append an audit event that no script has told, to the first shard."""
        try:
            # Their types are invariant: a mapping of text is none of theirs.
            fields: Any = dict(event)
            self._client.xadd(
                self._first(pool).audit, fields, maxlen=_EVENTS_KEPT, approximate=True
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def newest(self, stream: str) -> Entry | None:
        """Return the last entry, `None` of an empty stream."""
        [found] = self.newest_of([stream])
        if isinstance(found, StoreDamaged):
            raise found
        return found

    def newest_of(self, streams: Sequence[str]) -> list[Entry | StoreDamaged | None]:
        """Return the last entry of each, in one trip; what is no stream is told."""
        asked: list[Command] = [
            ["XREVRANGE", stream, "+", "-", "COUNT", 1] for stream in streams
        ]
        try:
            return [_last(reply) for reply in send_all(self._client, asked)]
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def between(self, stream: str, since_ms: int, most: int) -> list[Entry]:
        """Return up to *most* of the newest entries since then, the oldest first."""
        try:
            found: Any = self._client.xrevrange(stream, min=since_ms, count=most)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [_entry(*one) for one in reversed(found)]

    def waiting(self, stream: str, after: str, most: int) -> Waiting:
        """Return up to *most* entries after the one with the id *after*.

        That one is still there, unless the stream's cap took it: whoever reads leaves
        the last one that he has read.
        """
        try:
            reply: Any = _WAITING(self._client, [stream], [after, most])
            found, there, newest = reply
            anew = bool(newest) and moment(newest.decode()) < moment(after)
            if anew:
                reply = _WAITING(self._client, [stream], [START, most])
                found = reply[0]
        except STORE_ERRORS as error:
            raise store_error(error) from None
        entries = [(key.decode(), _fields(flat)) for key, flat in found]
        return Waiting(
            entries,
            more=len(entries) == most,
            gap=bool(entries) and after != START and not there and not anew,
            anew=anew,
        )

    def trim(self, stream: str, before_ms: int) -> None:
        """Forget entries from before that time; some of them may stay."""
        try:
            self._client.xtrim(stream, minid=max(0, before_ms), approximate=True)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def count(self, pool: str, counter: str, number: int) -> None:
        """Add to one of the pool's counters."""
        try:
            self._client.hincrby(self._first(pool).counters, counter, number)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    # --- what all pools share ---------------------------------------------------

    def now_ms(self) -> int:
        """Return the server's time."""
        try:
            seconds, micros = self._client.time()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(seconds) * 1000 + int(micros) // 1000

    def memory(self) -> tuple[int, int]:
        """Return the bytes that Redis uses, and its limit, 0 for none.

        Of a cluster it is the sum over its primaries.
        """
        each = self._memories()
        used = sum(int(one["used_memory"]) for one in each)
        return used, sum(int(one.get("maxmemory", 0)) for one in each)

    def fullest(self) -> tuple[int, int] | None:
        """Return the bytes that count towards the limit, and that limit.

        Of the primary that is nearest to it; `None` where none has one, or where keys
        are dropped before it is reached.
        """
        found = [
            (
                int(one["used_memory"]) - int(one.get("mem_not_counted_for_evict", 0)),
                most,
            )
            for one in self._memories()
            if (most := int(one.get("maxmemory", 0)))
            and one.get("maxmemory_policy", "noeviction") == "noeviction"
        ]
        return max(found, key=lambda one: one[0] / one[1], default=None)

    def _memories(self) -> list[Mapping[str, Any]]:
        client: Any = self._client
        try:
            if isinstance(client, RedisCluster):
                nodes = client.info("memory", target_nodes=RedisCluster.PRIMARIES)
                return [nodes] if "used_memory" in nodes else list(nodes.values())
            return [_facts(send(client, ["INFO", "memory"]))]
        except STORE_ERRORS as error:
            raise store_error(error) from None

    # --- sessions ---------------------------------------------------------------

    def scan(self, pool: str, cursor: int, count: int) -> tuple[int, list[str]]:
        """Return about *count* names of sessions and where to go on, 0 at the end."""
        shards = self.shards.of(pool)
        number, inner = split_cursor(cursor, len(shards))
        try:
            reply: Any = self._client.zscan(
                Keys(shards[number]).expiry, inner, count=count
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None
        names = [as_text(name) for name, _ in reply[1]]
        return next_cursor(number, int(reply[0]), len(shards)), names

    def copies(
        self, pool: str, known: dict[str, str]
    ) -> list[tuple[dict[str, str], bytes | None]]:
        """Return of each session its fields, and its state if it is another by now.

        *known* is the version of the state that the caller has, by session, or empty.
        Fields are empty where there is no session, and of one that cannot be read there
        is only ``damaged``; all of one are of one moment.
        """
        shards = self.shards.of(pool)
        theirs: dict[str, list[str]] = defaultdict(list)
        for one in known:
            theirs[shards[shard_of(one, len(shards))]].append(one)
        found = {}
        for shard, ids in theirs.items():
            arguments = [part for one in ids for part in (one, known[one])]
            try:
                reply = cast(
                    "list[Any]", _COPY(self._client, Keys(shard).named, [*arguments])
                )
            except STORE_ERRORS as error:
                raise store_error(error) from None
            for one, flat, blob in zip(ids, *[iter(reply)] * 2, strict=True):
                found[one] = _fields(flat), blob
        return [found[one] for one in known]

    def _first(self, pool: str) -> Keys:
        return Keys(self.shards.of(pool)[0])


def audit_of(pool: str) -> str:
    """The stream of audit events of a pool, or of one of its shards."""
    return Keys(pool).audit


def snapshots_of(pool: str | None) -> str:
    """The stream of a pool's snapshots, or of those of what all pools share."""
    return SYSTEM if pool is None else Keys(pool).snapshots


def moment(entry_id: str) -> tuple[int, int]:
    """Return when an entry was made, in Unix ms, and its number within that ms."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def storable(entry_id: str) -> bool:
    """Whether SQL can hold an entry of that id; of any other, somebody else made it."""
    milliseconds, number = moment(entry_id)
    return milliseconds <= LATEST and number <= _HIGHEST


def _last(reply: Any) -> Entry | StoreDamaged | None:
    if isinstance(reply, Exception):
        error = store_error(reply)
        if isinstance(error, StoreDamaged):
            return error
        raise error
    if not reply:
        return None
    key, fields = reply[0]
    # That of a cluster was read by redis-py.
    read = _fields if isinstance(fields, list) else _texts
    return key.decode(), read(fields)


def _facts(info: bytes) -> dict[str, str]:
    """Read a section of INFO."""
    lines = (line.partition(":") for line in as_text(info).splitlines())
    return {name: value for name, colon, value in lines if colon}


def _entry(key: bytes, fields: dict[bytes, bytes]) -> Entry:
    return key.decode(), _texts(fields)


def _texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {as_text(k): as_text(v) for k, v in fields.items()}


def _fields(flat: list[bytes]) -> dict[str, str]:
    words = [as_text(one) for one in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
