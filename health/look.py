"""What the session Redis holds at one moment: what facts and metrics are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from limpet.upkeep import Record
from sessions import PoolStats


@dataclass(frozen=True, slots=True)
class PoolLook:
    """One pool now, and what only a snapshot finds out; times are Unix seconds.

    *memory_bytes* is what its sessions take, estimated from a sample. *snapshot_at* is
    `None`, and *proxies* (how many, by state) empty, when there has never been one.
    """

    stats: PoolStats
    memory_bytes: float
    snapshot_at: float | None
    proxies: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Look:
    """All pools, the runs of upkeep by task, and when beat was last heard of.

    *at* is the server's time, in Unix seconds as all the others.
    """

    at: float
    pools: tuple[PoolLook, ...]
    runs: Mapping[str, Record]
    beat_at: float | None
