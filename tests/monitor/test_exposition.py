"""Our metrics are told as prometheus_client tells them, to the last byte."""

from collections.abc import Iterable

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from monitor.exposition import exposition

_MARKUP = 'a "quoted" \\ name\nof two lines, and é'


class Given(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def test_it_says_what_the_library_says() -> None:
    gauge = GaugeMetricFamily("limpet_sessions", "Sessions", labels=("pool", "a"))
    for number in (0, 1, 2.5, -3, 1e-9, 123_456, 10**7, 1795344884.689, 2.0**70):
        gauge.add_metric((f"pool {number}", _MARKUP), number)
    gauge.add_metric(("none", ""), float("nan"))
    gauge.add_metric(("most", ""), float("inf"))
    counter = CounterMetricFamily("limpet_runs", "Runs", labels=("task",))
    counter.add_metric((_MARKUP,), 7)
    times = HistogramMetricFamily("limpet_seconds", "Times", labels=("pool",))
    times.add_metric(("shop",), [("0.5", 1.0), ("+Inf", 3.0)], 4.25)
    plain = GaugeMetricFamily("limpet_up", "1 while it answers", labels=())
    plain.add_metric((), 1.0)
    empty = GaugeMetricFamily("limpet_leases", "Requests", labels=("pool",))
    metrics: list[Metric] = [gauge, counter, times, plain, empty]

    registry = CollectorRegistry()
    registry.register(Given(metrics))

    assert exposition(metrics).encode() == generate_latest(registry)
