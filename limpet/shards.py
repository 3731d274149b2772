"""One hot pool over several hash tags, so that nodes of a Cluster share its work.

To the keys and to the scripts each shard ``pool#0``, ``pool#1``, … is a pool of its
own, with its own sessions and proxies; above the stores there is the pool alone. Which
shard something lies in is a hash of its name, so nobody has to be asked: neither for a
request nor after Redis has lost everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from zlib import crc32

from limpet.keys import POOL_NAME

#: As many as anybody has nodes; what is read of a pool is read of each of its shards.
MOST_SHARDS: Final = 64

_ENTRY: Final = re.compile(f"({POOL_NAME[1:-1]})=([0-9]{{1,2}})")


@dataclass(frozen=True, slots=True)
class Shards:
    """How many shards pools have, by their names; any other pool has one."""

    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``hot=4,other=2``.

        Raises:
            ValueError: it is none such, a pool is named twice, or a number is not from
                1 to 64.
        """
        counts: dict[str, int] = {}
        for entry in text.split(",") if text else ():
            found = _ENTRY.fullmatch(entry)
            if found is None:
                raise ValueError(
                    f"must be like hot=4,other=2, and {entry[:40]!r} is no POOL=NUMBER"
                )
            pool, count = found[1], int(found[2])
            if pool in counts:
                raise ValueError(f"names the pool {pool} twice")
            if not 1 <= count <= MOST_SHARDS:
                raise ValueError(
                    f"gives the pool {pool} {count} shards: from 1 to {MOST_SHARDS}"
                )
            counts[pool] = count
        return cls(counts)

    @property
    def text(self) -> str:
        """What `read` makes this of."""
        return ",".join(f"{pool}={count}" for pool, count in self.counts.items())

    def count(self, pool: str) -> int:
        return self.counts.get(pool, 1)

    def of(self, pool: str) -> list[str]:
        """What the keys of *pool* are named after: itself, or each of its shards."""
        return shard_names(pool, self.count(pool))


#: No pool has several.
NO_SHARDS: Final = Shards()


def shard_names(pool: str, count: int) -> list[str]:
    return [pool] if count == 1 else [f"{pool}#{number}" for number in range(count)]


def shard_of(name: str, count: int) -> int:
    """Return the shard that a session or a proxy of that *name* lies in.

    CRC-32 (as zlib's) of the name in UTF-8, modulo *count*: the same in every program
    and version.
    """
    return crc32(name.encode()) % count


def split_cursor(cursor: int, count: int) -> tuple[int, int]:
    """Return in which of *count* shards a walk goes on, and where in that one."""
    inner, shard = divmod(cursor, count)
    return shard, inner


def next_cursor(shard: int, inner: int, count: int) -> int:
    """Return where a walk through *count* shards goes on, 0 at the end.

    *inner* is where it goes on in *shard*, 0 at the end of that one.
    """
    return inner * count + shard if inner else (shard + 1) % count
