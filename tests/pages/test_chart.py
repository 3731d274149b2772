"""What stands beside the lines of a chart."""

from dataclasses import replace

import pytest

from history.figures import PoolFigures
from history.point import Point
from history.query import Span
from monitor.chart import Chart
from proxies import ProxyPool
from sessions import SessionManager


@pytest.mark.parametrize(
    ("most", "levels"),
    [
        (3, ["4", "3", "2", "1", "0"]),
        (5, ["6", "4.5", "3", "1.5", "0"]),
        (950_000, ["1,000,000", "750,000", "500,000", "250,000", "0"]),
    ],
)
def test_levels_are_numbers_as_people_write_them(
    manager: SessionManager, pool: ProxyPool, most: int, levels: list[str]
) -> None:
    figures = PoolFigures.of(manager.stats(), pool.census(10), {})
    point = Point.over([figures], None)
    points = [replace(point, at=at, active=most) for at in (60, 120)]

    chart = Chart.of(points, Span.HOUR, 120)

    assert chart is not None
    assert chart.levels == levels
