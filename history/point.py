"""One point of a chart: what a pool did in some time, and how it was meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from history.figures import PoolFigures
from history.totals import Counts, Spread, Totals


@dataclass(frozen=True, slots=True)
class Point:
    """What happened in *seconds* that ended at *at* (Unix seconds), and how it was.

    What is counted (*created*, *closed*, *requests* …) is of that time alone;
    *failover_rate* is failovers for each session that lived in it. Of *active*,
    *leased* and *expired_waiting* it is the mean over *samples* snapshots, and
    *active_max* the most. *proxies* and the sessions on each are the last snapshot's.
    *response* is in ms, *lifetime* in seconds, of the sessions that ended; *render* is
    of pages in a browser, in ms.
    """

    at: float
    seconds: float
    samples: int
    active: float
    active_max: int
    leased: float
    expired_waiting: float
    proxies_up: int
    proxies_up_min: int
    proxies_cooling: int
    proxies: Counts
    sessions_min: int
    sessions_max: int
    sessions_skew: float
    created: int
    ended: int
    closed: Counts
    requests: int
    failovers: int
    failover_rate: float
    faults: int
    bans: int
    lost_leases: int
    busy: int
    no_proxy: int
    response: Spread
    lifetime: Spread
    render: Spread

    @classmethod
    def over(cls, snapshots: Sequence[PoolFigures], before: PoolFigures | None) -> Self:
        """Sum up *snapshots*, at least one, the oldest first.

        *before* is the one before them. Without it the first one only says where
        counting begins, since what it has counted may be years old; unless there was
        none before it, when all of it has happened since the pool began. Nobody knows
        how long that was, and no *seconds* are counted for it.
        """
        last = snapshots[-1]
        done, seconds = _counted(snapshots, before)
        lived = last.active + last.expired_waiting + done.ended
        return cls(
            at=last.at_ms / 1000,
            seconds=seconds,
            samples=len(snapshots),
            active=_mean([one.active for one in snapshots]),
            active_max=max(one.active for one in snapshots),
            leased=_mean([one.leased for one in snapshots]),
            expired_waiting=_mean([one.expired_waiting for one in snapshots]),
            proxies_up=last.proxies_up,
            proxies_up_min=min(one.proxies_up for one in snapshots),
            proxies_cooling=last.proxies_cooling,
            proxies=last.proxies,
            sessions_min=last.sessions_min,
            sessions_max=last.sessions_max,
            sessions_skew=last.sessions_skew,
            created=done.created,
            ended=done.ended,
            closed=done.closed,
            requests=done.requests,
            failovers=done.failovers,
            failover_rate=round(done.failovers / lived, 6) if lived else 0.0,
            faults=done.faults,
            bans=done.bans,
            lost_leases=done.lost_leases,
            busy=done.busy,
            no_proxy=done.no_proxy,
            response=done.response,
            lifetime=done.lifetime,
            render=done.render,
        )


def _counted(
    snapshots: Sequence[PoolFigures], before: PoolFigures | None
) -> tuple[Totals, float]:
    """Return what was counted, step by step: a count may begin anew in between."""
    done, last = Totals(), before or snapshots[0]
    if before is None and last.first:
        done = last.totals
    start = last.at_ms
    for one in snapshots:
        done += one.totals.since(last.totals)
        last = one
    return done, max(0.0, (last.at_ms - start) / 1000)


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 2)
