"""The dashboard for Grafana asks for what is exported, and for all of it."""

import json
import re
from pathlib import Path
from typing import Any, Final

from tests.monitor.test_rules import exported

__all__ = ["exported"]

ROOT: Final = Path(__file__).resolve().parents[2]
BOARD: Final[dict[str, Any]] = json.loads(
    (ROOT / "deploy" / "grafana" / "limpet.json").read_text("utf-8")
)
PANELS: Final = [one for one in BOARD["panels"] if one["type"] != "row"]
EXPRESSIONS: Final = [
    target["expr"] for one in PANELS for target in one.get("targets", ())
]
_METRIC: Final = re.compile(r"\b(limpet_\w+)(?:\{([^}]*)\})?")
_GROWTH: Final = re.compile(r"\b(?:increase|rate)\((\w+)(?:\{[^}]*\})?\[[$\w]+\]\)")
#: Exported, and of no use in a chart.
_LEFT_OUT: Final = {
    *("limpet_response_seconds_count", "limpet_response_seconds_sum"),
    "limpet_render_seconds_sum",
}


def test_every_panel_asks_for_metrics_and_labels_that_are_exported(
    exported: dict[str, set[str]],
) -> None:
    for expression in EXPRESSIONS:
        asked = _METRIC.findall(expression)
        assert asked or "flower_" in expression, expression
        for name, matchers in asked:
            labels = set(re.findall(r"(\w+)\s*=", matchers))
            assert name in exported, expression
            assert labels <= exported[name], expression


def test_what_panels_group_and_name_by_is_a_label(
    exported: dict[str, set[str]],
) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            names = [name for name, _ in _METRIC.findall(target["expr"])]
            if not names:
                continue
            every = set.intersection(*(exported[name] for name in names))
            grouped = re.findall(r"by \((\w+)\)", target["expr"])
            named = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            assert set(grouped) | set(named) <= every, panel["title"]


def test_every_metric_is_in_some_panel(exported: dict[str, set[str]]) -> None:
    shown = {name for one in EXPRESSIONS for name, _ in _METRIC.findall(one)}

    ours = {name for name in exported if name.startswith("limpet_")}
    assert ours - shown == _LEFT_OUT


def test_counters_are_asked_how_much_they_have_grown() -> None:
    for expression in EXPRESSIONS:
        names = {name for name, _ in _METRIC.findall(expression)}
        counters = {one for one in names if one.endswith(("_total", "_bucket"))}
        assert counters <= set(_GROWTH.findall(expression)), expression


def test_panels_lie_beside_each_other_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({one["id"] for one in BOARD["panels"]}) == len(BOARD["panels"])
    assert all(one["description"] for one in PANELS)
    assert all(one["datasource"]["uid"] == "${datasource}" for one in PANELS)
