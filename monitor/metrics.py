"""Our figures in Flower's own ``/metrics``; docs/alerts.md says what to watch.

Labels are names of pools, states, reasons, queues and tasks: few, and none of them a
session, an address or a secret. Of a store that does not answer nothing is told but
that: an old figure would look like a good one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from health.look import Look, PoolLook
from health.survey import Seen
from monitor.watch import Watch
from sessions.stats import TIME_BUCKETS

#: Counters of a pool → what they are called, and what they count.
_COUNTERS: Final = {
    "acquired": ("limpet_requests", "Requests for which a session was leased"),
    "created": ("limpet_sessions_created", "Sessions that have begun"),
    "failovers": ("limpet_session_failovers", "Moves of sessions to another proxy"),
    "session_lost": ("limpet_session_losses", "Requests whose session lost its proxy"),
    "faults": ("limpet_proxy_faults", "Requests that failed because of their proxy"),
    "no_proxy": ("limpet_no_proxy", "Requests for which no proxy could be used"),
    "busy": ("limpet_session_busy", "Requests whose session was in use"),
    "pool_full": ("limpet_pool_full", "Requests for which the pool had no room"),
    "bans": ("limpet_proxy_bans", "Bans of a proxy from a domain that blocks it"),
    "lost_leases": ("limpet_lost_leases", "Leases whose holders died"),
    "audit_gaps": ("limpet_audit_gaps", "Times that audit events were lost"),
    "exit_changes": (
        "limpet_proxy_exit_changes",
        "Exit addresses that changed under a live session",
    ),
}
_CLOSED: Final = "closed_"


class LimpetCollector:
    """Tells what a `Watch` has seen last; collecting asks nobody."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._snapshots: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        seen = self._watch.latest
        if seen is None:
            return
        yield from _servers(seen)
        # Of the settings: known while every store is away.
        yield _gauge(
            "limpet_upkeep_interval_seconds",
            "The longest time between two runs, as it is set; of tasks that are on",
            ("task",),
            [((task,), gap) for task, gap in seen.gaps.items()],
        )
        if seen.look is not None:
            yield from _upkeep(seen.look, seen.gaps)
            yield from _pools(seen.look.pools)
            self._snapshots = {
                one.stats.pool: one.snapshot_at
                for one in seen.look.pools
                if one.snapshot_at is not None
            }
        # A time does not go stale: how long ago it was is just what is asked.
        yield _gauge(
            "limpet_snapshot_timestamp_seconds",
            "Time of the newest snapshot",
            ("pool",),
            [((pool,), at) for pool, at in self._snapshots.items()],
        )


_Values = Iterable[tuple[Sequence[str], float]]


def _gauge(name: str, text: str, labels: Sequence[str], values: _Values) -> Metric:
    made = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values:
        made.add_metric(names, value)
    return made


def _counter(name: str, text: str, labels: Sequence[str], values: _Values) -> Metric:
    made = CounterMetricFamily(name, text, labels=labels)
    for names, value in values:
        made.add_metric(names, value)
    return made


def _servers(seen: Seen) -> Iterator[Metric]:
    facts = seen.facts
    for name, trouble in (
        ("store", facts.redis),
        ("broker", facts.broker),
        ("sql", facts.sql),
    ):
        text = f"1 while the {name} answers, else 0"
        yield _gauge(f"limpet_{name}_up", text, (), [((), float(not trouble))])
    text = "How everything is: 0 healthy, 1 degraded, 2 down"
    yield _gauge("limpet_health", text, (), [((), seen.report.status.rank)])
    if facts.workers is not None:
        text = "Workers that answer"
        yield _gauge("limpet_workers", text, (), [((), facts.workers)])
    if seen.queues is not None:
        lengths = [((queue,), length) for queue, length in seen.queues.items()]
        text = "Messages that wait"
        yield _gauge("limpet_queue_length", text, ("queue",), lengths)


def _upkeep(look: Look, gaps: Mapping[str, float]) -> Iterator[Metric]:
    runs = look.runs.items()
    label = ("task",)
    yield _counter(
        "limpet_upkeep_runs",
        "Runs of upkeep tasks",
        label,
        [((task,), run.runs) for task, run in runs],
    )
    yield _counter(
        "limpet_upkeep_failures",
        "Runs of upkeep tasks that failed",
        label,
        [((task,), run.failures) for task, run in runs],
    )
    yield _gauge(
        "limpet_upkeep_duration_seconds",
        "How long the last run took",
        label,
        [((task,), run.duration_ms / 1000) for task, run in runs if run.ended],
    )
    yield _gauge(
        "limpet_upkeep_success_timestamp_seconds",
        "When a run last went well",
        label,
        [((task,), run.last_ok) for task, run in runs if run.last_ok],
    )
    waits = {task: look.waits_since(task) for task in gaps}
    yield _gauge(
        "limpet_upkeep_waiting_timestamp_seconds",
        "When a run last went well, or should have begun to; of tasks that are on",
        label,
        [((task,), since) for task, since in waits.items() if since],
    )
    text = "Things in the session Redis that cannot be read"
    yield _gauge("limpet_damaged", text, (), [((), len(look.damaged))])
    if look.room is not None:
        names = ("limpet_redis_memory_bytes", "limpet_redis_memory_limit_bytes")
        texts = ("Memory of Redis in use, of the fullest primary", "Its limit")
        for name, text, value in zip(names, texts, look.room, strict=True):
            yield _gauge(name, text, (), [((), value)])
    if look.beat_at is not None:
        text = "When beat was last heard of"
        yield _gauge("limpet_beat_timestamp_seconds", text, (), [((), look.beat_at)])


def _pools(pools: Sequence[PoolLook]) -> Iterator[Metric]:
    stats = [((one.stats.pool,), one.stats) for one in pools]
    label = ("pool",)
    yield _gauge(
        "limpet_sessions",
        "Sessions that live",
        label,
        [(pool, one.sessions - one.expired_waiting) for pool, one in stats],
    )
    yield _gauge(
        "limpet_sessions_expired_waiting",
        "Sessions whose time is over and that are not removed yet",
        label,
        [(pool, one.expired_waiting) for pool, one in stats],
    )
    yield _gauge(
        "limpet_leases",
        "Requests under way",
        label,
        [(pool, one.leases) for pool, one in stats],
    )
    yield _gauge(
        "limpet_proxies_usable",
        "Proxies that a session can be given",
        label,
        [(pool, one.proxies_up) for pool, one in stats],
    )
    yield _gauge(
        "limpet_proxies_resting",
        "Proxies that rest since they failed",
        label,
        [(pool, one.proxies_cooling) for pool, one in stats],
    )
    for field, (name, text) in _COUNTERS.items():
        counts = [(pool, one.counters.get(field, 0)) for pool, one in stats]
        yield _counter(name, text, label, counts)
    yield _counter(
        "limpet_sessions_closed",
        "Sessions that have ended",
        ("pool", "reason"),
        [
            ((*pool, name.removeprefix(_CLOSED)), count)
            for pool, one in stats
            for name, count in one.counters.items()
            if name.startswith(_CLOSED)
        ],
    )
    yield _times(
        "limpet_response_seconds",
        "Time to the end of a page",
        [(one.pool, one.times) for _, one in stats],
    )
    yield _times(
        "limpet_render_seconds",
        "Time that a browser took for a page",
        [(one.pool, one.renders) for _, one in stats],
    )
    yield _gauge(
        "limpet_memory_bytes",
        "Memory that sessions take, estimated from a sample",
        label,
        [((one.stats.pool,), one.memory_bytes) for one in pools],
    )
    yield _gauge(
        "limpet_proxies",
        "Proxies by state, as of the newest snapshot: finding out takes a while",
        ("pool", "state"),
        [
            ((one.stats.pool, state), count)
            for one in pools
            for state, count in one.proxies.items()
        ],
    )


def _times(
    name: str, text: str, pools: Iterable[tuple[str, Mapping[int, int]]]
) -> Metric:
    made = HistogramMetricFamily(name, text, labels=("pool",))
    for pool, times in pools:
        seen, total, below, buckets = 0, 0.0, 0, []
        for bound in TIME_BUCKETS:
            count = times.get(bound, 0)
            seen += count
            # The engine keeps no sum: within a bucket the middle stands for all.
            total += count * (below + bound) / 2000
            below = bound
            buckets.append((str(bound / 1000), float(seen)))
        made.add_metric((pool,), [*buckets, ("+Inf", float(seen))], total)
    return made
