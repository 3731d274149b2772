"""The rules for Prometheus ask for what is exported, and have the settings' limits."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from health.rules import RULES
from limpet.names import SNAPSHOT_METRICS
from limpet.settings import Settings
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.monitor.conftest import Flower, add_snapshot

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
#: What becomes of the alerts in which case, for promtool.
CASES: Final = FILE.with_name("rules_test.yml")
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
    "upkeep": ("LimpetUpkeepLate", "health_upkeep_missed_runs"),
    "snapshots": ("LimpetSnapshotOld", "health_snapshot_age_seconds"),
    "data": ("LimpetDataDamaged", None),
    "sessions": ("LimpetManySessions", "health_max_sessions"),
    "memory": ("LimpetMemoryHigh", "session_max_memory_mb"),
    "cleanup": ("LimpetCleanupFails", "health_max_cleanup_failures_percent"),
    "proxies": ("LimpetFewProxies", "health_min_proxies_percent"),
}
LIMITED: Final = [
    ("LimpetRedisFull", "health_max_redis_memory_percent"),
    *((alert, name) for alert, name in SAME.values() if name),
]
#: Where in an expression the limit is, if it is not simply compared with.
_LIMITS: Final = {
    "health_upkeep_missed_runs": r"clamp_min\((\d+) \*",
    "health_snapshot_age_seconds": r"clamp_min\(.*, (\d+)\)",
}
_METRIC: Final = re.compile(r"\b(limpet_\w+)(?:\{([^}]*)\})?")
_GROWTH: Final = re.compile(r"\b(?:increase|rate)\((limpet_\w+)(?:\{[^}]*\})?\[\w+\]\)")


@pytest.fixture
def exported(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> dict[str, set[str]]:
    """Return the labels of each metric that Flower exports of a pool that is used."""
    add_snapshot(flower)
    flower.server.client.config_set("maxmemory", 10**9)
    pool.release(pool.acquire("two", hold=30))
    pool.close("two")
    upkeep = UpkeepStore(flower.server.client)
    upkeep.lead("token", "beat")
    _, began = upkeep.begin(
        SNAPSHOT_METRICS, "t", message="m", slot="", sent_ms=0, by="worker"
    )
    upkeep.end(SNAPSHOT_METRICS, "t", began_ms=began, result="{}")
    found: dict[str, set[str]] = {}

    def complete() -> bool:
        for name, labels in flower.metrics():
            found.setdefault(name, set()).update(name for name, _ in labels)
        awaited = {"workers", "memory_bytes", "sessions_closed_total"}
        awaited |= {"upkeep_success_timestamp_seconds", "redis_memory_limit_bytes"}
        return {f"limpet_{one}" for one in awaited} <= found.keys()

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
        # What is on the right only says which of those on the left are meant.
        [name, _], *_ = _METRIC.findall(alert["expr"])
        left = set() if alert["expr"].startswith("sum(") else exported[name]
        assert used <= left, alert["alert"]


def test_counters_are_asked_how_much_they_have_grown() -> None:
    for alert in ALERTS.values():
        names = {name for name, _ in _METRIC.findall(alert["expr"])}
        grown = set(_GROWTH.findall(alert["expr"]))
        assert {one for one in names if one.endswith("_total")} == grown
        assert "avg_over_time" not in alert["expr"]


@pytest.mark.parametrize(("alert", "setting"), LIMITED)
def test_a_limit_is_the_default_of_its_setting(alert: str, setting: str) -> None:
    limit = re.search(_LIMITS.get(setting, r"[<>] (\d+)"), ALERTS[alert]["expr"])

    assert limit is not None
    assert float(limit[1]) == Settings.model_fields[setting].default


def test_every_rule_of_ours_is_there_for_prometheus() -> None:
    names = {rule.__name__.removeprefix("_") for rule in RULES}

    assert names == SAME.keys()
    assert {alert for alert, _ in SAME.values()} <= ALERTS.keys()


@pytest.fixture
def promtool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Prometheus' own tool; skip, or fail under CI, where it is not."""
    found = shutil.which("promtool")
    if found is None:
        reason = "promtool is not installed (Debian: prometheus)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(found), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


Promtool = Callable[..., subprocess.CompletedProcess[str]]


def test_prometheus_reads_the_rules(promtool: Promtool) -> None:
    done = promtool("check", "rules", str(FILE))

    assert done.returncode == 0, done.stderr


def test_alerts_fire_when_they_should_and_not_before(promtool: Promtool) -> None:
    done = promtool("test", "rules", str(CASES))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("limpet_beat_timestamp_seconds > 300", "limpet_beat_timestamp_seconds > 9e9"),
        ("clamp_min(3 *", "clamp_min(1 *"),
        ("limpet_proxies_resting, 1) < 20", "limpet_proxies_resting, 0) < 20"),
        (" + limpet_sessions > 0", " + limpet_sessions >= 0"),
        ("limpet_sessions unless on", "limpet_sessions and on"),
        ("== 1 unless on", "== 0 unless on"),
        ("limit_bytes > 90", "limit_bytes > 89"),
    ],
)
def test_a_rule_that_says_something_else_is_noticed(
    promtool: Promtool, tmp_path: Path, part: str, instead: str
) -> None:
    rules = FILE.read_text("utf-8")
    assert part in rules
    (tmp_path / FILE.name).write_text(rules.replace(part, instead))
    shutil.copy(CASES, tmp_path)

    assert promtool("test", "rules", str(tmp_path / CASES.name)).returncode != 0


def test_every_alert_has_a_case() -> None:
    cases = CASES.read_text("utf-8")

    assert [name for name in ALERTS if name not in cases] == []


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
