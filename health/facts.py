"""What is known of the installation at one moment: what the rules judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What one pool holds.

    *usable* proxies may be given to a session now, *resting* ones may not since they
    failed; those that people took out count as neither. *snapshot_age* is in seconds,
    `None` when there has never been a snapshot; *memory_mb* is in MB of 1,000,000
    bytes.
    """

    pool: str
    sessions: int
    usable: int
    resting: int
    snapshot_age: float | None
    memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Runs:
    """How often an upkeep task ran lately, and how many of the runs failed."""

    runs: int
    failed: int


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts; `None` is for what nobody could say.

    *redis*, *broker* and *sql* say in words what is wrong with each, "" for nothing.
    *beat_age* is the seconds since beat was heard of. *upkeep* has for each task, as it
    is called in the schedule, the seconds since it last went well, or could have begun
    to; tasks are left out that no beat has ever had to send. *damaged* names what is
    stored and cannot be read. *redis_room* is how many MB of how many Redis uses, where
    it has a limit.
    """

    redis: str
    broker: str
    sql: str
    workers: int | None
    beat_age: float | None
    cleanup: Runs | None
    pools: tuple[PoolFacts, ...] | None
    upkeep: Mapping[str, float] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    redis_room: tuple[float, float] | None = None
