"""A survey of real servers: up, stopped, frozen, and back."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pydantic import SecretStr
from redis import Redis

from health import Check, Report, Status
from health.survey import Survey
from limpet import schema
from limpet.connection import connect
from limpet.keys import POOLS
from limpet.settings import Settings
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, Tried
from proxies.store import ProxyStore
from tests.redis_server import RedisServer

#: Seconds that everything together may take when servers hang: the timeout and a busy
#: machine.
BOUND = 6.0
TIMEOUT = 2.0


@pytest.fixture
def server(
    free_port: Callable[[], int], tmp_path: Path, eventually: Callable[..., None]
) -> Iterator[RedisServer]:
    made = RedisServer(free_port(), tmp_path / "redis")
    eventually(made.answers)
    yield made
    made.close()


@pytest.fixture
def config(server: RedisServer, tmp_path: Path) -> Settings:
    made = Settings(
        redis_url=SecretStr(f"{server.url}/1"),
        CELERY_BROKER_URL=SecretStr(f"{server.url}/0"),
        state_dir=tmp_path / "state",
        health_timeout_seconds=TIMEOUT,
    )
    schema.upgrade(made)
    return made


@pytest.fixture
def survey(config: Settings) -> Survey:
    return Survey(config, Celery(broker=config.celery_broker))


def check(report: Report, name: str) -> Check:
    [found] = [one for one in report.checks if one.id == name]
    return found


def timed(survey: Survey) -> tuple[Report, float]:
    start = time.monotonic()
    report = survey.see().report
    return report, time.monotonic() - start


def test_servers_that_answer_are_healthy(survey: Survey) -> None:
    report = survey.see().report

    states = {one.name: one.status for one in report.checks}
    assert states["redis"] is states["broker"] is states["sql"] is Status.HEALTHY
    assert states["workers"] is Status.DOWN
    assert states["scheduler"] is Status.DEGRADED


def test_a_frozen_server_is_down_in_time_however_often_it_is_asked(
    survey: Survey, server: RedisServer, eventually: Callable[..., None]
) -> None:
    assert check(survey.see().report, "redis").status is Status.HEALTHY
    server.freeze()

    for _ in range(3):
        report, took = timed(survey)
        assert took < BOUND
        assert check(report, "redis").status is Status.DOWN
        assert check(report, "broker").status is Status.DOWN
        assert check(report, "workers").status is Status.UNKNOWN
        assert check(report, "sessions").status is Status.UNKNOWN
    server.thaw()

    eventually(lambda: check(survey.see().report, "redis").status is Status.HEALTHY)


def test_of_pools_whose_names_cannot_be_read_nothing_is_said(
    survey: Survey, server: RedisServer
) -> None:
    with connect(f"{server.url}/1") as redis:
        redis.set(POOLS, "no set")

    report = survey.see().report

    unknown = [check(report, one) for one in ("snapshots", "proxies", "sessions")]
    assert {one.status for one in unknown} == {Status.UNKNOWN}
    assert "the names of the pools" in check(report, "data").text


def test_a_server_that_was_killed_is_down_and_comes_back(
    survey: Survey, server: RedisServer, eventually: Callable[..., None]
) -> None:
    survey.see()
    server.close()

    report, took = timed(survey)
    server.start()

    assert report.status is Status.DOWN
    assert took < BOUND
    assert check(report, "sql").status is Status.HEALTHY
    eventually(
        lambda: (
            {check(survey.see().report, one).status for one in ("redis", "broker")}
            == {Status.HEALTHY}
        )
    )


def test_a_redis_that_is_full_is_down_and_before_that_degraded(
    survey: Survey, server: RedisServer
) -> None:
    server.client.setrange("ballast", 20_000_000, "x")
    used = int(server.client.info("memory")["used_memory"])
    server.client.config_set("maxmemory", 20 * used)
    room = check(survey.see().report, "redis").status
    server.client.config_set("maxmemory", round(1.05 * used))
    little = check(survey.see().report, "redis").status
    server.client.config_set("maxmemory", 1_000_000)

    found = check(survey.see().report, "redis")
    server.client.config_set("maxmemory-policy", "allkeys-lru")

    assert (room, little) == (Status.HEALTHY, Status.DEGRADED)
    assert found.status is Status.DOWN
    assert found.text.endswith(" of 1 MB in use, at most 90 %")
    assert check(survey.see().report, "redis").status is Status.HEALTHY


def test_a_database_that_is_not_there_is_not_made(
    server: RedisServer, tmp_path: Path
) -> None:
    config = Settings(
        redis_url=SecretStr(f"{server.url}/1"),
        CELERY_BROKER_URL=SecretStr(f"{server.url}/0"),
        state_dir=tmp_path / "elsewhere",
    )

    report = Survey(config, Celery(broker=config.celery_broker)).see().report

    found = check(report, "sql")
    assert (found.status, found.text) == (Status.DEGRADED, "there is no database yet")
    assert "migrate" in found.advice
    assert not (tmp_path / "elsewhere").exists()


def test_tables_of_another_version_are_told(config: Settings, survey: Survey) -> None:
    with sqlite3.connect(config.state_dir / "limpet.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")

    found = check(survey.see().report, "sql")

    assert found.status is Status.DEGRADED
    assert found.text.startswith("the tables have version 0001, not ")


def test_proxies_that_rest_are_a_share_of_those_that_may_be_used(
    survey: Survey, server: RedisServer, config: Settings
) -> None:
    client: Redis = connect(config.sessions_url)
    pool = ProxyPool(ProxyStore(client, "shop"))
    records = [ProxyRecord(Proxy("http", f"127.0.8.{n}", 80)) for n in range(10)]
    pool.publish(records)
    for one in records[1:]:
        for _ in range(3):
            pool.report(one.id, Tried(Outcome.FAULT, 0.1))

    found = check(survey.see().report, "proxies:shop")

    assert (found.status, found.value, found.limit) == (Status.DEGRADED, 10, 20)
    assert found.text == "1 of 10 usable, at least 20 %"


def test_nothing_secret_is_told_of_a_server_that_fails(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    config = Settings(
        redis_url=SecretStr(f"redis://me:S3cret@127.0.0.1:{port}/1"),
        CELERY_BROKER_URL=SecretStr(f"redis://me:S3cret@127.0.0.1:{port}/0"),
        database_url=SecretStr(f"postgresql+psycopg://me:S3cret@127.0.0.1:{port}/x"),
        state_dir=tmp_path,
        health_timeout_seconds=TIMEOUT,
    )

    report = Survey(config, Celery(broker=config.celery_broker)).see().report

    told: Any = report.as_json()
    states = {one["check"]: one["status"] for one in told["checks"]}
    assert (states["redis"], states["broker"]) == ("down", "down")
    assert states["sql"] == "degraded"
    assert "S3cret" not in str(told)
    assert str(port) not in str(told)
