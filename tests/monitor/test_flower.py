"""Flower's own process says how everything is: ``/healthz`` and ``/metrics``."""

import sys
from pathlib import Path

import pytest

from sessions import SessionManager
from tests.conftest import Eventually
from tests.monitor.conftest import SECRET, Flower, add_snapshot

#: Seconds that an answer may take when a store hangs: its timeout and a busy machine.
BOUND = 8.0


@pytest.mark.timeout(240)
def test_all_is_healthy_until_the_worker_is_killed(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> None:
    worker = flower.stack.celery("worker", "-n", "watched@test", log="worker")
    beat = flower.stack.celery("beat", log="beat")
    try:
        eventually(
            lambda: flower.get("/healthz").json["status"] == "healthy", within=80
        )
        well, names = flower.get("/healthz"), flower.names()
        worker.kill()
        worker.wait()
        eventually(lambda: flower.get("/healthz").status == 503, within=60)
        down = flower.get("/healthz")
    finally:
        beat.kill()
        beat.wait()

    [workers] = [one for one in down.json["checks"] if one["check"] == "workers"]
    assert well.status == 200
    assert {"flower_worker_online", "limpet_workers"} <= names
    assert down.json["status"] == workers["status"] == "down"
    assert down.headers["Cache-Control"] == "no-store"
    assert (workers["value"], workers["limit"]) == (0, 1)
    assert "celery -A tasks worker" in workers["advice"]


@pytest.mark.timeout(240)
def test_a_worker_of_another_program_is_none_of_ours(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> None:
    def count(name: str) -> float:
        found = flower.metrics().items()
        return sum(value for (one, _), value in found if one == name)

    folder = flower.stack.folder
    (folder / "theirs.py").write_text("import celery\napp = celery.Celery()\n")
    celery = str(Path(sys.executable).parent / "celery")
    theirs = flower.stack.python(
        *(celery, "-A", "theirs", "-b", flower.stack.broker_url),
        *("worker", "-E", "-P", "solo", "-Q", "theirs", "-n", "theirs@test"),
        log="theirs",
        PYTHONPATH=str(folder),
    )
    ours = flower.stack.celery("worker", "-n", "ours@test", log="ours")
    try:
        eventually(lambda: count("flower_worker_online") == 2, within=80)
        eventually(lambda: count("limpet_workers") == 1, within=80)
        ours.kill()
        ours.wait()
        eventually(lambda: count("limpet_workers") == 0, within=60)
        online = count("flower_worker_online")
    finally:
        theirs.kill()
        theirs.wait()

    assert online >= 1
    assert flower.health()["workers"] == "down"


def test_a_balancer_may_ask_for_the_head_alone(
    flower: Flower, pool: SessionManager
) -> None:
    answer = flower.get("/healthz", method="HEAD")

    assert answer.status in {200, 503}
    assert answer.body == ""


def test_a_frozen_store_is_told_in_time_and_slows_none_of_flowers_own_pages(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> None:
    assert flower.health()["redis"] == "healthy"
    flower.server.freeze()
    try:
        eventually(lambda: flower.health()["redis"] == "down")
        asked = [flower.get(one) for one in ("/healthz", "/metrics", "/healthz")]
        own = [flower.get(one) for one in ("/workers", "/tasks", "/healthcheck")]
    finally:
        flower.server.thaw()

    assert [one.status for one in asked] == [503, 200, 503]
    assert max(one.took for one in asked) < BOUND
    assert [one.status for one in own] == [200, 200, 200]
    assert max(one.took for one in own) < 2
    eventually(lambda: flower.health()["redis"] == "healthy", within=20)


def test_a_store_that_is_down_leaves_no_old_figures(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> None:
    add_snapshot(flower)
    shop = frozenset({("pool", "shop")})
    stamp = ("limpet_snapshot_timestamp_seconds", shop)
    eventually(lambda: stamp in flower.metrics())
    before = flower.metrics()
    flower.server.freeze()
    try:
        eventually(lambda: flower.metrics()["limpet_store_up", frozenset()] == 0)
        during = flower.metrics()
    finally:
        flower.server.thaw()

    left = {name for name, labels in during if dict(labels).get("pool") == "shop"}
    assert left == {"limpet_snapshot_timestamp_seconds"}
    assert during[stamp] == before[stamp]
    # How often it is set to run is not the store's to say.
    upkeep = {name for name, _ in during if name.startswith("limpet_upkeep")}
    assert upkeep == {"limpet_upkeep_interval_seconds"}
    eventually(lambda: ("limpet_sessions", shop) in flower.metrics(), within=20)


def test_figures_are_those_of_the_pool(
    flower: Flower, pool: SessionManager, eventually: Eventually
) -> None:
    add_snapshot(flower)
    pool.close("one")
    pool.release(pool.acquire("two", hold=30), elapsed=0.04, rendered=0.2)
    shop = frozenset({("pool", "shop")})
    asked = ("limpet_requests_total", shop)
    eventually(lambda: flower.metrics().get(asked) == 2)
    found = flower.metrics()
    disabled = frozenset({("pool", "shop"), ("state", "disabled")})
    closed = frozenset({("pool", "shop"), ("reason", "closed")})
    under = frozenset({("pool", "shop"), ("le", "0.05")})
    assert found["limpet_sessions", shop] == 1
    assert found["limpet_sessions_created_total", shop] == 2
    assert found["limpet_sessions_closed_total", closed] == 1
    assert found["limpet_proxies_usable", shop] == 5
    assert found["limpet_proxies", disabled] == 2
    assert found["limpet_response_seconds_bucket", under] == 1
    assert found["limpet_response_seconds_count", shop] == 2
    assert found["limpet_render_seconds_count", shop] == 1
    assert found["limpet_store_up", frozenset()] == 1


def test_no_secret_is_told_and_labels_are_few(
    flower: Flower, pool: SessionManager
) -> None:
    add_snapshot(flower)

    pages = flower.get("/healthz").body + flower.get("/metrics").body

    labels = {
        label
        for name, pairs in flower.metrics()
        if name.startswith("limpet_")
        for label, _ in pairs
    }
    assert SECRET not in pages
    assert "127.0.8." not in pages
    assert labels <= {"pool", "reason", "state", "queue", "task", "le"}


def test_our_tabs_are_in_flowers_own_process(
    flower: Flower, pool: SessionManager
) -> None:
    pages = [flower.get(one) for one in ("/sessions", "/proxies", "/schedule")]
    own = flower.get("/workers")

    assert [one.status for one in [*pages, own]] == [200, 200, 200, 200]
    assert all(">Schedule</a>" in one.body for one in [*pages, own])
    assert "one" in pages[0].body
    assert SECRET not in "".join(one.body for one in pages)


def test_another_website_that_leads_here_gets_nothing(flower: Flower) -> None:
    foreign = Flower(flower.port, flower.stack, headers={"Host": "evil.example"})

    answers = [foreign.get(path) for path in ("/tasks", "/sessions", "/metrics")]

    assert [one.status for one in answers] == [421] * 3
    assert all("LIMPET_FLOWER_HOSTS" in one.body for one in answers)
    assert all(len(one.body) < 200 for one in answers)
