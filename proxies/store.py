"""The proxies of one pool in Redis: their URLs, and how they are doing."""

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.errors import ConfigurationError, InvalidSelection
from limpet.keys import POOLS, Keys
from limpet.scripts import Script
from proxies.health import HealthPolicy, Outcome
from proxies.strategies import strategies

_PUBLISH = Script("proxies", "publish")
_MODE = Script("proxies", "mode")
_BUILD = Script("proxies", "build")
_REPORT = Script("proxies", "report")
_TRY = Script("proxies", "try")
#: Proxies sent in one go: thousands are imported without a trip each.
_CHUNK: Final = 500
#: Proxies entered into a new index in one step: under 3 ms, so that nobody waits.
_BUILD_STEP: Final = 200
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
        mode, and a text that says the same URL, or an empty one.
        """
        items = list(rows)
        new = 0
        try:
            self._client.sadd(POOLS, self._pool)
            for start in range(0, len(items), _CHUNK):
                new += self._publish(items[start : start + _CHUNK])
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return new

    def _publish(self, rows: list[Sequence[str | int | float]]) -> int:
        self._client.script_load(_PUBLISH.source)
        with self._client.pipeline(transaction=False) as pipe:
            for row in rows:
                command = _PUBLISH.command(self._where, list(row))
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            return sum(pipe.execute())

    def set_mode(self, proxy_id: str, mode: str) -> bool:
        """Set what may be done with a proxy; False when there is no such one."""
        return self._run(_MODE, self._where, [proxy_id, mode]) == 1

    def report(
        self,
        proxy_id: str,
        outcome: Outcome,
        elapsed_ms: int,
        health: HealthPolicy,
        *,
        fault: float,
    ) -> str:
        """Tell how a test went; return the proxy's state then, "" for no such one."""
        luck = random.random()  # noqa: S311 - spreads cool-downs, hides nothing
        told = [proxy_id, outcome.value, fault, health.max_failures]
        times = [_ms(health.cooldown), luck, elapsed_ms, health.alpha]
        times.append(_ms(health.window))
        state = self._run(_REPORT, self._where, [*told, *times])
        assert isinstance(state, bytes)
        return state.decode()

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
                    "where", f"one of the {MAX_INDEXES} filters this pool already has"
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
        """Return the live fields of each proxy, an empty dict where there are none."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for proxy_id in proxy_ids:
                    pipe.hgetall(self._keys.live_proxy(proxy_id))
                rows = pipe.execute()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [{k.decode(): v.decode() for k, v in row.items()} for row in rows]

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
