"""docker-compose.yml beside .env.example, the queues and the settings; no engine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from limpet.names import INBOX_QUEUE, QUEUES
from limpet.settings import ROOT, Settings, variables

#: ``${NAME:-default}`` and ``${NAME:?what to do}``.
_USED = re.compile(r"\$\{([A-Z_]+)(:[-?])([^{}]*)")


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text("utf-8")


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


@pytest.fixture(scope="module")
def example() -> dict[str, tuple[bool, str]]:
    """Return each variable: whether its line counts, and its value."""
    lines = (ROOT / ".env.example").read_text("utf-8")
    found = re.findall(r"^(# )?([A-Z_]+)=(.*)$", lines, re.MULTILINE)
    return {name: (not comment, value) for comment, name, value in found}


def test_the_example_has_all_that_the_file_asks_for_and_nothing_else(
    text: str, example: dict[str, tuple[bool, str]]
) -> None:
    used = {name for name, _, _ in _USED.findall(text)}

    assert used <= set(example)
    flower = {name for name in example if name.startswith("FLOWER_")}
    assert set(example) <= used | flower | set(variables())


def test_what_has_to_be_filled_in_is_empty_and_all_else_is_a_comment(
    text: str, example: dict[str, tuple[bool, str]]
) -> None:
    needed = {name for name, kind, _ in _USED.findall(text) if kind == ":?"}

    assert {name for name, (counts, _) in example.items() if counts} == needed
    assert {example[name][1] for name in needed} == {""}


def test_the_example_shows_the_defaults_of_the_file(
    text: str, example: dict[str, tuple[bool, str]]
) -> None:
    settings = set(variables())
    wrong = {
        name: default
        for name, kind, default in _USED.findall(text)
        if kind == ":-" and name not in settings and example[name][1] != default
    }

    assert wrong == {}


def test_each_variable_that_is_needed_says_what_to_do(text: str) -> None:
    told = [what for _, kind, what in _USED.findall(text) if kind == ":?"]

    assert told
    assert all(what.startswith("put ") for what in told)


def test_each_queue_has_a_service_that_takes_from_it(services: dict[str, Any]) -> None:
    taken = {
        queue
        for service in services.values()
        if "-Q" in (command := service.get("command", []))
        for queue in command[command.index("-Q") + 1].split(",")
    }

    # Who takes from `scrape` takes from Celery's own queue, too.
    assert taken == set(QUEUES) - {INBOX_QUEUE}


def test_a_worker_may_finish_a_fetch_before_it_is_killed(
    services: dict[str, Any],
) -> None:
    fetch = Settings.model_fields["job_timeout_seconds"].default
    for name in ("worker", "render", "upkeep"):
        [seconds] = re.findall(r":-(\d+)s\}", services[name]["stop_grace_period"])
        assert int(seconds) > fetch, name


def test_every_service_is_hardened_and_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"], name
        assert service["restart"], name
        ports = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") for port in ports), name


def test_one_service_builds_each_image(services: dict[str, Any]) -> None:
    built = [one["image"] for one in services.values() if "build" in one]

    assert sorted(built) == ["limpet-lab", "limpet-render", "limpet-worker"]


def test_prometheus_reads_what_is_mounted_and_asks_a_service_that_is_there(
    services: dict[str, Any],
) -> None:
    prometheus = services["prometheus"]
    [told] = [one for one in prometheus["command"] if "--config.file=" in one]
    file = _mounted(prometheus, told.partition("=")[2])
    config = _yaml(file)
    [scrape] = config["scrape_configs"]
    [asked] = scrape["static_configs"]

    assert asked["targets"]
    for target in asked["targets"]:
        assert _reached(target, services, prometheus), target
    assert all((file.parent / name).is_file() for name in config["rule_files"])


def test_grafana_finds_its_prometheus_and_its_dashboard(
    services: dict[str, Any],
) -> None:
    grafana = services["grafana"]
    provisioning = _mounted(grafana, "/etc/grafana/provisioning")
    [sources] = [_yaml(one) for one in (provisioning / "datasources").iterdir()]
    [boards] = [_yaml(one) for one in (provisioning / "dashboards").iterdir()]
    [source], [provider] = sources["datasources"], boards["providers"]
    folder = _mounted(grafana, provider["options"]["path"])

    assert _reached(source["url"].removeprefix("http://"), services, grafana)
    # Grafana takes each such file in the folder for a dashboard.
    [board] = [json.loads(one.read_text("utf-8")) for one in folder.rglob("*.json")]
    [asked] = [
        one for one in board["templating"]["list"] if one["type"] == "datasource"
    ]
    # A choice of that type, which begins with the default one.
    assert (asked["query"], True) == (source["type"], source["isDefault"])


def _yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def _mounted(service: dict[str, Any], place: str) -> Path:
    """Return what a service has in a *place*: by the nearest of the mounts around."""
    binds = [one.split(":")[:2] for one in service["volumes"] if one.startswith("./")]
    around: dict[Path, str] = {Path(target): source for source, target in binds}
    nearest = max(target for target in around if Path(place).is_relative_to(target))
    return ROOT / around[nearest] / Path(place).relative_to(nearest)


def _reached(target: str, services: dict[str, Any], asking: dict[str, Any]) -> bool:
    """Whether *asking* can reach *target*, a service and a port that it listens on."""
    name, port = target.split(":")
    ports = [one.rpartition(":")[2] for one in services[name]["ports"]]
    return bool(port in ports and {*services[name]["networks"]} & {*asking["networks"]})
