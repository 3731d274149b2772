"""What Redis has to say of how things are, and the alerts that it remembers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, cast

from redis import Redis

from beat_schedule import ENTRIES
from health.look import Look, PoolLook
from history.figures import DamagedEntry, read_pool
from history.store import Entry, HistoryStore, moment, snapshots_of
from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.errors import StoreDamaged
from limpet.keys import ALERT_OUTBOX, ALERTS, NO_POOL, Keys
from limpet.scripts import Script
from limpet.settings import Settings
from limpet.upkeep import Record, UpkeepStore
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import Cleaner, SessionManager, open_store
from sessions.store import SessionStore, pool_names

_TELL: Final = Script("health", "tell")
_EVENTS: Final = Keys(NO_POOL).audit


class HealthStore:
    """Reads that cost the same however large the pools are.

    Every method raises `StoreUnavailable` when Redis does not do its work.
    """

    def __init__(self, client: Redis, settings: Settings | None = None) -> None:
        """By *settings* pools may have several shards, or none of the proxies."""
        self._client = client
        self._settings = settings
        self._upkeep = UpkeepStore(client)
        self._history = HistoryStore(client)
        self._pools: dict[str, tuple[SessionManager, Cleaner]] = {}

    def look(self) -> Look:
        """Return how things are now: a few round trips, and two for each pool.

        What cannot be read, since something else has written to it, is named and left
        out: a server that holds such things is there all the same.
        """
        beat, runs = self._upkeep.look(one.task for one in ENTRIES)
        pools, damaged = self._pools_there()
        named = not damaged
        damaged += [
            f"the record of {task}" for task, run in runs.items() if run.damaged
        ]
        damaged += ["the record of beat"] if beat.damaged else []
        entries, broken = self._newest(pools)
        damaged += broken
        found = tuple(map(self._pool, pools, entries))
        damaged += [name for one in found for name in one.damaged]
        # Names come first: of many only some are shown.
        damaged += [f"{count} found by {task}" for task, count in _found(runs).items()]
        return Look(
            at=beat.now,
            pools=found,
            runs=runs,
            beat_at=beat.tick or None,
            beat_since=beat.since or None,
            damaged=tuple(damaged),
            room=self._history.fullest(),
            named=named,
        )

    def _pools_there(self) -> tuple[list[str], list[str]]:
        try:
            return pool_names(self._client), []
        except StoreDamaged:
            return [], ["the names of the pools"]

    def _newest(
        self, pools: Sequence[str]
    ) -> tuple[list[Entry | StoreDamaged | None], list[str]]:
        """Return the newest snapshot of each pool, and those of none that are none."""
        names = {snapshots_of(None): "all snapshots", _EVENTS: "the events of alerts"}
        streams = [*names, *map(snapshots_of, pools)]
        found = self._history.newest_of(streams)
        ours = zip(names.values(), found, strict=False)
        return found[len(names) :], [
            name for name, entry in ours if isinstance(entry, StoreDamaged)
        ]

    def _pool(self, name: str, newest: Entry | StoreDamaged | None) -> PoolLook:
        manager, cleaner = self._opened(name)
        stats = manager.stats()
        damaged = [f"{name}: {one}" for one in stats.damaged]
        memory, at, figures = 0.0, None, None
        try:
            memory = cleaner.memory().total
        except StoreDamaged:
            damaged.append(f"{name}: its sessions")
        try:
            if isinstance(newest, StoreDamaged):
                raise newest
            if newest:
                at = moment(newest[0])[0] / 1000
                figures = read_pool(newest, name)
        except (StoreDamaged, DamagedEntry):
            damaged.append(f"{name}: its newest snapshot")
        proxies = figures.proxies if figures else {}
        return PoolLook(stats, memory, at, proxies, tuple(dict.fromkeys(damaged)))

    def _opened(self, pool: str) -> tuple[SessionManager, Cleaner]:
        if pool not in self._pools:
            # Not `open_pool`, which makes a direct pool known: a look changes nothing.
            store = (
                open_store(self._client, pool, self._settings)
                if self._settings
                else SessionStore(self._client, pool)
            )
            proxies = ProxyPool(ProxyStore(self._client, pool))
            manager = SessionManager(pool, store, proxies)
            self._pools[pool] = manager, Cleaner(manager, store, lambda: False)
        return self._pools[pool]

    # --- alerts -----------------------------------------------------------------

    def tell(
        self, checks: Iterable[tuple[str, str, str]], *, after: float, most: int
    ) -> list[bytes]:
        """Remember each check (id, status, text); return what has changed by that."""
        arguments: list[str | int | float | bytes] = [
            round(after * 1000),
            most,
            *chain.from_iterable(checks),
        ]
        try:
            told = _TELL(self._client, [ALERTS, _EVENTS, ALERT_OUTBOX], arguments)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        assert isinstance(told, list)
        return told

    def unsent(self) -> dict[str, bytes]:
        try:
            found = cast("dict[bytes, bytes]", self._client.hgetall(ALERT_OUTBOX))
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return {as_text(name): found[name] for name in found}

    def sent(self, change: str) -> None:
        try:
            self._client.hdel(ALERT_OUTBOX, change)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def _found(runs: Mapping[str, Record]) -> dict[str, int]:
    """Return how much each task had to leave out when it last went well."""
    told = {task: run.result.get("damaged", 0) for task, run in runs.items()}
    return {task: n for task, n in told.items() if isinstance(n, int) and n > 0}
