"""The rules for Prometheus ask for what is exported, and have the settings' limits."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from health.rules import RULES
from limpet.settings import Settings
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.monitor.conftest import Flower, add_snapshot

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
PAGE: Final = ROOT / "docs" / "alerts.md"
[GROUP] = yaml.safe_load(FILE.read_text("utf-8"))["groups"]
ALERTS: Final[dict[str, dict[str, Any]]] = {one["alert"]: one for one in GROUP["rules"]}

#: Which alert is which rule of `health.rules`, and the setting that has its limit.
SAME: Final = {
    "redis": ("LimpetRedisDown", None),
    "broker": ("LimpetBrokerDown", None),
    "sql": ("LimpetSqlDown", None),
    "workers": ("LimpetFewWorkers", "health_min_workers"),
    "scheduler": ("LimpetSchedulerSilent", "health_beat_silent_seconds"),
    "snapshots": ("LimpetSnapshotOld", "health_snapshot_age_seconds"),
    "sessions": ("LimpetManySessions", "health_max_sessions"),
    "memory": ("LimpetMemoryHigh", "session_max_memory_mb"),
    "cleanup": ("LimpetCleanupFails", "health_max_cleanup_failures_percent"),
    "proxies": ("LimpetFewProxies", "health_min_proxies_percent"),
}
LIMITED: Final = [(alert, name) for alert, name in SAME.values() if name]
_METRIC: Final = re.compile(r"\b(limpet_\w+)(?:\{([^}]*)\})?")
_GROWTH: Final = re.compile(r"\b(?:increase|rate)\((limpet_\w+)(?:\{[^}]*\})?\[\w+\]\)")


@pytest.fixture
def exported(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> dict[str, set[str]]:
    """Return the labels of each metric that Flower exports of a pool that is used."""
    add_snapshot(flower)
    UpkeepStore(flower.server.client).lead("token", "beat")
    found: dict[str, set[str]] = {}

    def complete() -> bool:
        for name, labels in flower.metrics():
            found.setdefault(name, set()).update(name for name, _ in labels)
        return {"limpet_workers", "limpet_memory_bytes"} <= found.keys()

    eventually(complete, within=40)
    return found


def test_every_rule_asks_for_metrics_and_labels_that_are_exported(
    exported: dict[str, set[str]],
) -> None:
    for alert in ALERTS.values():
        asked = _METRIC.findall(alert["expr"])
        assert asked, alert["alert"]
        for name, matchers in asked:
            labels = set(re.findall(r"(\w+)\s*=", matchers))
            assert name in exported, (alert["alert"], name)
            assert labels <= exported[name], (alert["alert"], labels)


def test_a_text_names_only_labels_that_its_rule_leaves(
    exported: dict[str, set[str]],
) -> None:
    for alert in ALERTS.values():
        said = str(alert["annotations"])
        used = set(re.findall(r"\$labels\.(\w+)", said))
        names = [name for name, _ in _METRIC.findall(alert["expr"])]
        summed = alert["expr"].startswith("sum(")
        left = set() if summed else set.intersection(*(exported[one] for one in names))
        assert used <= left, alert["alert"]


def test_counters_are_asked_how_much_they_have_grown() -> None:
    for alert in ALERTS.values():
        names = {name for name, _ in _METRIC.findall(alert["expr"])}
        grown = set(_GROWTH.findall(alert["expr"]))
        assert {one for one in names if one.endswith("_total")} == grown
        assert "avg_over_time" not in alert["expr"]


@pytest.mark.parametrize(("alert", "setting"), LIMITED)
def test_a_limit_is_the_default_of_its_setting(alert: str, setting: str) -> None:
    limit = ALERTS[alert]["expr"].split(">" if ">" in ALERTS[alert]["expr"] else "<")[1]
    in_unit = limit.removesuffix("* 1000000")

    assert float(in_unit) == Settings.model_fields[setting].default


def test_every_rule_of_ours_is_there_for_prometheus() -> None:
    names = {rule.__name__.removeprefix("_") for rule in RULES}

    assert names == SAME.keys()
    assert {alert for alert, _ in SAME.values()} <= ALERTS.keys()


def test_every_alert_is_explained_and_says_how_bad_it_is() -> None:
    page = PAGE.read_text("utf-8")
    for name, alert in ALERTS.items():
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} == alert["annotations"].keys()
        assert f"`{name}`" in page
    for name in SAME:
        assert f"## {name}" in page


def test_every_metric_that_is_exported_is_described(
    exported: dict[str, set[str]],
) -> None:
    page = PAGE.read_text("utf-8")
    ours = {name for name in exported if name.startswith("limpet_")}
    for name in ours:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{base}`" in page, name
