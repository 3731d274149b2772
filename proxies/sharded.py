"""The proxies of a pool that lies in several shards, as those of one.

Each proxy lies in one shard, by the hash of its id: so its limit, its health, its bans
and its turn are counted in one place, as in any pool. In all shards it would have as
many limits as there are shards, and fail in each before all know it. What goes out
without a proxy has no limit: that lies in each of them.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.errors import ConfigurationError
from limpet.keys import Keys
from limpet.shards import shard_names, shard_of
from proxies.health import HealthPolicy, Standing, Tried
from proxies.store import ProxyStore

#: Fields of a live proxy that are counts, in each shard a part of all.
_COUNTS: Final = frozenset(
    {"inflight", "sessions", "done", "lost", "faults", "bytes", "n0", "n1", "f0", "f1"}
)

T = TypeVar("T")


class ShardedProxies(ProxyStore):
    """Redis for one pool of several shards; raises as `ProxyStore` does."""

    def __init__(
        self, client: Redis, pool: str, count: int, *, direct: bool = False
    ) -> None:
        super().__init__(client, pool)
        self._names = shard_names(pool, count)
        self._shards = [ProxyStore(client, name) for name in self._names]
        self._direct = direct
        self._first = itertools.count()

    def publish(self, rows: Iterable[Sequence[str | int | float]]) -> int:
        theirs: dict[ProxyStore, list[Sequence[str | int | float]]] = defaultdict(list)
        for row in rows:
            for home in self._homes(str(row[0])):
                theirs[home].append(row)
        if theirs:
            self.register()
        new = [shard.put(some) for shard, some in theirs.items()]
        return max(new, default=0) if self._direct else sum(new)

    def register(self) -> None:
        """Make the pool known by its name, and of how many shards it is."""
        try:
            self._client.set(self._keys.shards, len(self._shards), nx=True)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        super().register()

    def set_mode(self, proxy_id: str, mode: str) -> bool:
        done = [home.set_mode(proxy_id, mode) for home in self._homes(proxy_id)]
        return any(done)

    def probes(
        self, token: str, *, most: int, hold: float, again: float
    ) -> tuple[bool, list[tuple[str, str]]]:
        """Choose of all shards, beginning with another one each time."""
        start = next(self._first)
        found: list[tuple[str, str]] = []
        for number in range(len(self._shards)):
            shard = self._shards[(start + number) % len(self._shards)]
            more = True
            # To the end of its walk: walks left half-way might never end together.
            while more and len(found) < most:
                left = most - len(found)
                more, some = shard.probes(token, most=left, hold=hold, again=again)
                found += some
        return False, found

    def report(self, proxy_id: str, tried: Tried, health: HealthPolicy) -> Standing:
        [standing, *_] = [
            one.report(proxy_id, tried, health) for one in self._homes(proxy_id)
        ]
        return standing

    def build(self, index: str) -> None:
        for shard in self._shards:
            shard.build(index)

    def urls(self, proxy_ids: Iterable[str]) -> list[str | None]:
        return self._merged(proxy_ids, ProxyStore.urls, lambda found: found[0])

    def live(self, proxy_ids: Iterable[str]) -> list[dict[str, str]]:
        return self._merged(proxy_ids, ProxyStore.live, _sum)

    def bans(self, proxy_id: str) -> list[tuple[str, int]]:
        found: dict[str, int] = {}
        for shard in self._homes(proxy_id):
            for domain, until in shard.bans(proxy_id):
                found[domain] = max(until, found.get(domain, 0))
        return sorted(found.items(), key=lambda pair: -pair[1])

    def ids(self) -> Iterator[str]:
        for shard in self._shards:
            yield from shard.ids()

    def sample(
        self, most: int, fields: Sequence[str]
    ) -> list[tuple[int, list[dict[str, str] | None]]]:
        """As `ProxyStore` does; *most* are those of all shards."""
        share = -(-most // len(self._shards))
        parts = [shard.sample(share, fields) for shard in self._shards]
        if self._direct:
            return [_one(group) for group in zip(*parts, strict=True)]
        return [
            (
                sum(number for number, _ in group),
                [row for _, rows in group for row in rows],
            )
            for group in zip(*parts, strict=True)
        ]

    def require_proxies(self) -> None:
        """See that each shard has a proxy that may be used, or will be.

        Raises:
            ConfigurationError: some have, and others have none.
        """
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for keys in map(Keys, self._names):
                    pipe.zcard(keys.usable)
                    pipe.zcard(keys.cooling)
                counts = pipe.execute()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        found = [sum(pair) for pair in zip(counts[::2], counts[1::2], strict=True)]
        empty = [
            name for name, there in zip(self._names, found, strict=True) if not there
        ]
        if empty and any(found):
            raise ConfigurationError(
                f"LIMPET_POOL_SHARDS: pool {self._pool} has {len(found)} shards and "
                f"{sum(found)} proxies that may be used, none of them in "
                f"{', '.join(empty)}, whose sessions cannot go out: add proxies (ten "
                "for each shard are safe), or have fewer shards"
            )

    def _homes(self, proxy_id: str) -> list[ProxyStore]:
        if self._direct:
            return self._shards
        return [self._shards[shard_of(proxy_id, len(self._shards))]]

    def _merged(
        self,
        proxy_ids: Iterable[str],
        read: Callable[[ProxyStore, list[str]], Sequence[T]],
        merge: Callable[[list[T]], T],
    ) -> list[T]:
        """Ask each shard once for its own; return what there is of each, in order."""
        wanted = list(proxy_ids)
        theirs: dict[ProxyStore, list[str]] = defaultdict(list)
        for one in wanted:
            for home in self._homes(one):
                theirs[home].append(one)
        found: dict[str, list[T]] = defaultdict(list)
        for shard, some in theirs.items():
            for one, value in zip(some, read(shard, some), strict=True):
                found[one].append(value)
        return [merge(found[one]) for one in wanted]


def _one(
    group: Sequence[tuple[int, list[dict[str, str] | None]]],
) -> tuple[int, list[dict[str, str] | None]]:
    """Make one proxy of those of a direct pool, which are the same one."""
    rows = [row for _, some in group for row in some]
    known = [row for row in rows if row]
    if not rows or len(known) < len(rows):
        return min(1, len(rows)), rows[:1]
    return 1, [_sum(known)]


def _sum(rows: list[dict[str, str]]) -> dict[str, str]:
    """Return one proxy's fields, of as many shards as it lies in."""
    first, *others = rows
    added = {
        name: _total([row.get(name, "0") for row in rows])
        for name in (_COUNTS & first.keys() if others else ())
    }
    return {**first, **added}


def _total(counts: Iterable[str]) -> str:
    try:
        return f"{sum(map(float, counts)):.15g}"
    except ValueError:  # one is damaged, and so is what they make
        return "?"
