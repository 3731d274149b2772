"""A proxy that a person wants tried is tried by a worker, and how it went is told."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from lab import Lab
from proxies import parse_proxy
from sessions.store import SessionStore
from tests.conftest import Eventually
from tests.stack import Stack

Probe = Callable[[str], Any]


@pytest.fixture
def probe(stack: Stack, lab: Lab) -> Probe:
    """Send the task as Flower does, by name; return its result or what it raised."""
    lines = "\n".join(one.line for one in lab.proxies)
    assert stack.manage("migrate").returncode == 0
    assert stack.manage("proxies", "import", "-", stdin=lines).returncode == 0
    where = {"LIMPET_PROBE_URL": f"{lab.site}/whoami"}
    stack.worker(**where, LIMPET_PROBE_ADDRESS="address")
    app = stack.app()

    def send(proxy: str) -> Any:
        told = {"pool": "default", "proxy": proxy}
        sent = app.send_task("probe_proxy", kwargs=told, queue="upkeep")
        return sent.get(timeout=30, propagate=False)

    return send


def probed(redis: Redis) -> list[dict[str, str]]:
    found = SessionStore(redis, "default").audit(100)
    return [event for _, event in found if event["event"] == "probed"]


def test_a_proxy_that_works_is_told_to(
    probe: Probe, lab: Lab, redis: Redis, eventually: Eventually
) -> None:
    proxy = parse_proxy(lab.proxies[0].line)

    report = probe(proxy.id)

    [event] = probed(redis)
    assert (report["outcome"], report["status"], report["state"]) == (
        *("ok", "200"),
        "healthy",
    )
    assert event.items() >= {"proxy": proxy.id, **report}.items()
    assert int(report["ms"]) >= 0


def test_a_proxy_that_is_none_is_refused(probe: Probe, redis: Redis) -> None:
    refused = probe("0123456789")

    assert "proxy" in str(refused)
    assert probed(redis) == []


def test_a_proxy_that_is_down_is_told_without_its_password(
    stack: Stack, probe: Probe, redis: Redis, free_port: Callable[[], int]
) -> None:
    line = f"http://me:S3cretOfIt@127.0.0.1:{free_port()}"
    assert stack.manage("proxies", "import", "-", stdin=line).returncode == 0

    report = probe(parse_proxy(line).id)

    assert report["outcome"] != "ok"
    assert report["detail"]
    assert "S3cretOfIt" not in str(probed(redis)) + str(report)
