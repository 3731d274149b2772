"""The history that Redis holds until it is in SQL: streams, read and trimmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from redis import Redis, RedisCluster

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.keys import SYSTEM, Keys
from limpet.scripts import Script

_COPY: Final = Script("history", "copy")
_WAITING: Final = Script("history", "waiting")
#: One snapshot a minute: a day of them stays in the live stream.
SNAPSHOTS_KEPT: Final = 1440
#: As many as scripts keep.
_EVENTS_KEPT: Final = 50_000
#: No time in Unix ms is later: it is in the year 2286, and SQL holds it.
LATEST: Final = 10**13 - 1
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

    def __init__(self, client: Redis) -> None:
        self._client = client

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
        """Append an audit event that no script has told."""
        try:
            # Their types are invariant: a mapping of text is none of theirs.
            fields: Any = dict(event)
            self._client.xadd(
                Keys(pool).audit, fields, maxlen=_EVENTS_KEPT, approximate=True
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def newest(self, stream: str) -> Entry | None:
        """Return the last entry, `None` of an empty stream."""
        try:
            found: Any = self._client.xrevrange(stream, count=1)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return _entry(*found[0]) if found else None

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
            self._client.hincrby(Keys(pool).counters, counter, number)
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
        client: Any = self._client
        try:
            if isinstance(client, RedisCluster):
                nodes = client.info("memory", target_nodes=RedisCluster.PRIMARIES)
                each = [nodes] if "used_memory" in nodes else list(nodes.values())
            else:
                each = [client.info("memory")]
        except STORE_ERRORS as error:
            raise store_error(error) from None
        used = sum(int(one["used_memory"]) for one in each)
        return used, sum(int(one.get("maxmemory", 0)) for one in each)

    # --- sessions ---------------------------------------------------------------

    def scan(self, pool: str, cursor: int, count: int) -> tuple[int, list[str]]:
        """Return about *count* names of sessions and where to go on, 0 at the end."""
        try:
            reply: Any = self._client.zscan(Keys(pool).expiry, cursor, count=count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(reply[0]), [as_text(name) for name, _ in reply[1]]

    def copies(
        self, pool: str, known: dict[str, str]
    ) -> list[tuple[dict[str, str], bytes | None]]:
        """Return of each session its fields, and its state if it is another by now.

        *known* is the version of the state that the caller has, by session, or empty.
        Fields are empty where there is no session, and of one that cannot be read there
        is only ``damaged``; all of one are of one moment.
        """
        arguments = [part for pair in known.items() for part in pair]
        try:
            reply = cast(
                "list[Any]", _COPY(self._client, [Keys(pool).tag], [*arguments])
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [
            (_fields(flat), blob) for flat, blob in zip(*[iter(reply)] * 2, strict=True)
        ]


def audit_of(pool: str) -> str:
    """The stream of a pool's audit events."""
    return Keys(pool).audit


def snapshots_of(pool: str | None) -> str:
    """The stream of a pool's snapshots, or of those of what all pools share."""
    return SYSTEM if pool is None else Keys(pool).snapshots


def moment(entry_id: str) -> tuple[int, int]:
    """Return when an entry was made, in Unix ms, and its number within that ms."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def _entry(key: bytes, fields: dict[bytes, bytes]) -> Entry:
    return key.decode(), {as_text(k): as_text(v) for k, v in fields.items()}


def _fields(flat: list[bytes]) -> dict[str, str]:
    words = [as_text(one) for one in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
