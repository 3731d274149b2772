"""The proxies of one pool in Redis: their URLs, and how they are doing."""

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.errors import ConfigurationError, InvalidSelection, StoreDamaged
from limpet.keys import POOLS, Keys
from limpet.scripts import Script
from proxies.health import HealthPolicy, Standing, Tried
from proxies.strategies import strategies

_PUBLISH = Script("proxies", "publish")
_MODE = Script("proxies", "mode")
_BUILD = Script("proxies", "build")
_PROBES = Script("proxies", "probes")
_REPORT = Script("proxies", "report")
_TRY = Script("proxies", "try")
#: Proxies sent in one go: thousands are imported without a trip each.
_CHUNK: Final = 500
#: Proxies entered into a new index in one step: under 3 ms, so that nobody waits.
_BUILD_STEP: Final = 200
#: Usable proxies looked at for one that is to be tried, in one step: about 1 ms.
_LOOK: Final = 500
#: Keys that one step of a look through all of them asks for: about 1 ms of the server.
_SCAN_STEP: Final = 1000
#: A change of a proxy's health is written to every index that it is in.
MAX_INDEXES: Final = 500


class ProxyStore:
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, pool: str) -> None:
        self._client = client
        self._pool = pool
        self._keys = keys = Keys(pool)
        self._where = [keys.static, keys.live, keys.usable, keys.registry]
        self._where += [keys.indexes, keys.cooling, keys.audit]

    def publish(self, rows: Iterable[Sequence[str | int | float]]) -> int:
        """Make proxies known; return how many were new. Safe to repeat.

        A row is what the script takes: id, URL, labels, weight, cap, end in ms,
        mode, and a text that says the same URL, or an empty one. Of none nothing is
        known, not even the pool: any job may ask for one, by any name.
        """
        items = list(rows)
        if items:
            self.register()
        return self.put(items)

    def register(self) -> None:
        """Make the pool known by its name."""
        try:
            self._client.sadd(POOLS, self._pool)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def put(self, items: Sequence[Sequence[str | int | float]]) -> int:
        """Make proxies known, as `publish` does, of a pool that is."""
        new = 0
        try:
            for start in range(0, len(items), _CHUNK):
                new += self._publish(list(items[start : start + _CHUNK]))
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return new

    def require_proxies(self) -> None:
        """See that all sessions can have a proxy; here they have all there are."""

    def _publish(self, rows: list[Sequence[str | int | float]]) -> int:
        self._client.script_load(_PUBLISH.source)
        with self._client.pipeline(transaction=False) as pipe:
            for row in rows:
                command = _PUBLISH.command(self._where, list(row))
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            return sum(pipe.execute())

    def set_mode(self, proxy_id: str, mode: str) -> bool:
        """Set what may be done with a proxy; False when there is no such one."""
        return self._run(_MODE, [*self._where, self._keys.loads], [proxy_id, mode]) == 1

    def probes(
        self, token: str, *, most: int, hold: float, again: float
    ) -> tuple[bool, list[tuple[str, str]]]:
        """Choose up to *most* proxies to be tried, each for *hold* seconds.

        Returns whether to ask again for more, and their ids and versions. One that is
        well is tried again after *again* seconds.
        """
        keys = self._keys
        where = [keys.cooling, keys.usable, keys.live, keys.probed]
        reply = self._run(_PROBES, where, [token, most, _ms(hold), _ms(again), _LOOK])
        assert isinstance(reply, list)
        more, *found = reply
        pairs = zip(found[::2], found[1::2], strict=True)
        return bool(more), [(one.decode(), version.decode()) for one, version in pairs]

    def report(self, proxy_id: str, tried: Tried, health: HealthPolicy) -> Standing:
        """Tell how a test went; return how the proxy stands then."""
        luck = random.random()  # noqa: S311 - spreads cool-downs, hides nothing
        told = [proxy_id, tried.outcome.value, tried.fault, health.max_failures]
        times = [_ms(health.cooldown), luck, _ms(tried.elapsed), health.alpha]
        rest = [_ms(health.window), tried.token or "?", tried.exit]
        where = [*self._where, self._keys.loads, self._keys.counters]
        reply = self._run(_REPORT, where, [*told, *times, *rest])
        assert isinstance(reply, list)
        return Standing(state=reply[0].decode(), exit_changed=bool(reply[1]))

    def build(self, index: str) -> None:
        """Make the index ready that an acquire asked for. Safe to repeat, and to race.

        Raises:
            InvalidSelection: the pool has `MAX_INDEXES` already.
        """
        keys = self._keys
        where = [keys.static, keys.registry, keys.usable, keys.indexes, keys.live]
        start = "-"
        while start:
            step = self._run(_BUILD, where, [index, start, _BUILD_STEP, MAX_INDEXES])
            assert isinstance(step, bytes)
            start = step.decode()
            if start == "!":
                raise InvalidSelection(
                    "selection",
                    f"one of the {MAX_INDEXES} pairs of a filter (country, tags) and a "
                    "strategy that this pool already has",
                )

    def urls(self, proxy_ids: Iterable[str]) -> list[str | None]:
        """Return the whole URL, as it was published, of each; `None` if not known."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for proxy_id in proxy_ids:
                    pipe.hget(self._keys.proxy(proxy_id), "url")
                found = pipe.execute()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [None if url is None else url.decode() for url in found]

    def live(self, proxy_ids: Iterable[str]) -> list[dict[str, str]]:
        """Return the live fields of each proxy, an empty dict where there are none.

        Among them ``sessions``, which Redis has elsewhere.
        """
        rows = self._rows(list(proxy_ids), ())
        for row in rows:
            if isinstance(row, StoreDamaged):
                raise row
        return [row for row in rows if not isinstance(row, StoreDamaged)]

    def bans(self, proxy_id: str) -> list[tuple[str, int]]:
        """Return the domains that block the proxy, and until when in ms."""
        key, now = self._keys.banned_by + proxy_id, self.now_ms()
        try:
            found: Any = self._client.zrange(
                key, "+inf", f"({now}", desc=True, byscore=True, withscores=True
            )
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [(name.decode("utf-8", "replace"), int(until)) for name, until in found]

    def ids(self) -> Iterator[str]:
        """Yield the id of every proxy that Redis knows, in no order, some twice.

        Looks through all keys of the server, in short steps: no index has those that
        may not be used. For commands, and never while a job waits.
        """
        try:
            for key in self._client.scan_iter(f"{self._keys.live}*", count=_SCAN_STEP):
                yield key.decode().removeprefix(self._keys.live)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def sample(
        self, most: int, fields: Sequence[str]
    ) -> list[tuple[int, list[dict[str, str] | None]]]:
        """Return of the usable and of the cooling proxies how many, and some of them.

        Up to *most* of each, drawn by lot if there are more, with those *fields* and
        its ``sessions``; a proxy that went meanwhile is an empty dict, one that cannot
        be read `None`.
        """
        groups = []
        for key in (self._keys.usable, self._keys.cooling):
            try:
                with self._client.pipeline(transaction=False) as pipe:
                    pipe.zcard(key)
                    pipe.zrandmember(key, most)
                    number, ids = pipe.execute()
            except STORE_ERRORS as error:
                raise store_error(error) from None
            rows = self._rows(list(map(as_text, ids)), fields)
            read = [None if isinstance(row, StoreDamaged) else row for row in rows]
            groups.append((number, read))
        return groups

    def _rows(
        self, ids: Sequence[str], fields: Sequence[str]
    ) -> list[dict[str, str] | StoreDamaged]:
        """Return those fields of each, or all, and its sessions; or what is damaged."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for one in ids:
                    key = self._keys.live_proxy(one)
                    pipe.hmget(key, list(fields)) if fields else pipe.hgetall(key)
                for start in range(0, len(ids), _CHUNK):
                    pipe.hmget(self._keys.loads, ids[start : start + _CHUNK])
                found = pipe.execute(raise_on_error=False)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        rows, loads = found[: len(ids)], found[len(ids) :]
        return [
            _row(fields, row, loads[n // _CHUNK], n % _CHUNK)
            for n, row in enumerate(rows)
        ]

    def now_ms(self) -> int:
        """Return the server's time."""
        try:
            seconds, micros = self._client.time()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(seconds) * 1000 + int(micros) // 1000

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> object:
        try:
            return script(self._client, keys, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def check_strategies(client: Redis, own: Path | None) -> None:
    """Try each strategy of the folder *own*, which only Redis can.

    Raises:
        ConfigurationError: one of them fails; its file and the line are named.
        StoreUnavailable: Redis cannot be asked.
    """
    ours, all_of_them = strategies(), strategies(own)
    for name in sorted(all_of_them.keys() - ours.keys()):
        try:
            wrong = _TRY(client, [], [f"{name}.lua", all_of_them[name]])
        except STORE_ERRORS as error:
            raise store_error(error) from None
        if isinstance(wrong, bytes) and wrong:
            text = wrong.decode("utf-8", "replace")
            raise ConfigurationError(f"LIMPET_STRATEGIES_DIR: {text}")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _row(
    fields: Sequence[str], values: Any, loads: Any, at: int
) -> dict[str, str] | StoreDamaged:
    for found in (values, loads):
        if isinstance(found, Exception):
            if isinstance(made := store_error(found), StoreDamaged):
                return made
            raise made from None
    pairs = (
        zip(map(str.encode, fields), values, strict=True) if fields else values.items()
    )
    row = {as_text(k): as_text(v) for k, v in pairs if v is not None}
    return row and {**row, "sessions": as_text(loads[at] or b"0")}
