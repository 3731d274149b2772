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
    *damaged* names what cannot be read of it.
    """

    stats: PoolStats
    memory_bytes: float
    snapshot_at: float | None
    proxies: Mapping[str, int]
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """All pools, the runs of upkeep by task, and when beat was last heard of.

    *at* is the server's time, in Unix seconds as all the others. The beat that is or
    was active has been so since *beat_since*. *damaged* names all that cannot be read;
    *named* says that the pools' names can.
    *room* is the bytes in use that count towards Redis' limit, and that limit.
    """

    at: float
    pools: tuple[PoolLook, ...]
    runs: Mapping[str, Record]
    beat_at: float | None
    beat_since: float | None = None
    damaged: tuple[str, ...] = ()
    room: tuple[int, int] | None = None
    named: bool = True

    def waits_since(self, task: str) -> float | None:
        """Return since when *task* should have gone well.

        Since its last run that did, or since the first one; where none ever began,
        since there is a beat to send it; `None` where there never was one.
        """
        run = self.runs[task]
        return run.last_ok or run.first or self.beat_since
