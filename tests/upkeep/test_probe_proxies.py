"""Real requests through real proxies, within bounds, and what is made of them."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import quote

import pytest
from redis import Redis

from lab import Lab
from limpet.keys import Keys
from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.stack import Stack

KEYS: Final = Keys("default")
PASSWORD: Final = "p@ss/S3cret"
Probed = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def probed(stack: Stack, lab: Lab) -> Probed:
    """Run the task once; return its report, and all that it logged."""

    def run(url: str = f"{lab.site}/whoami", **more: str) -> tuple[dict[str, Any], str]:
        code = (
            "import json\n"
            "from limpet.logs import configure\n"
            "from limpet.settings import settings\n"
            "from tasks.upkeep.probes import probe_proxies\n"
            "configure(settings())\n"
            "print(json.dumps(probe_proxies()))\n"
        )
        told = {"LIMPET_PROBE_URL": url, "LIMPET_PROBE_ADDRESS": "address", **more}
        done = stack.run("-c", code, **told)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report, done.stderr

    return run


@pytest.fixture
def publish(redis: Redis) -> Callable[..., ProxyPool]:
    def make(*lines: str) -> ProxyPool:
        pool = ProxyPool(ProxyStore(redis, "default"))
        pool.publish([ProxyRecord(parse_proxy(one)) for one in lines])
        return pool

    return make


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start a proxy that leaves from an address; return it and its port."""
    with ExitStack() as running:

        def start(exit_address: str, port: int = 0) -> tuple[Any, int]:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "lab.proxy", "--user", "me"),
                    *("--password", PASSWORD, "--port", str(port)),
                    *("--exit-address", exit_address),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            assert process.stdout is not None
            return process, int(process.stdout.readline().split()[1])

        yield start


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def exits(redis: Redis) -> set[str]:
    reader: Any = redis
    found = [reader.hget(key, "exit") for key in reader.scan_iter(f"{KEYS.live}*")]
    return {one.decode() for one in found if one}


def test_each_is_tried_and_where_it_leaves_from_is_remembered(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab, redis: Redis
) -> None:
    pool = publish(*(one.line for one in lab.proxies))

    report, _ = probed()

    states = {redis.hget(key, "state") for key in redis.scan_iter(f"{KEYS.live}*")}
    assert report.pop("damaged") == 0
    assert report == {"probed": 5, "exit_changed": 0, "errors": 0, "ok": 5}
    assert exits(redis) == {one.exit_address for one in lab.proxies}
    assert states == {b"healthy"}
    assert pool.probes("t", most=9, hold=1, again=3600) == []


def test_without_a_page_to_fetch_nothing_is_sent_and_that_is_said(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab
) -> None:
    publish(*(one.line for one in lab.proxies))

    report, log = probed("")

    assert report == {"probed": 0, "reason": "LIMPET_PROBE_URL is not set"}
    assert "LIMPET_PROBE_URL is not set" in log


def test_a_pool_that_goes_out_directly_is_never_probed(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab
) -> None:
    publish(*(one.line for one in lab.proxies))

    report, _ = probed(f"{lab.site}/shop/direct/1", LIMPET_DIRECT_POOLS="default")

    assert report["probed"] == 0
    assert [one for one in lab.visits() if one.visitor == "direct"] == []


def test_a_page_where_no_job_may_go_is_not_fetched(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab
) -> None:
    publish(*(one.line for one in lab.proxies))

    report, _ = probed(LIMPET_ALLOW_PRIVATE_HOSTS="")

    assert report["probed"] == 0
    assert "127.0.0.1 is not public" in report["reason"]


def test_one_that_hangs_holds_nobody_up(
    probed: Probed,
    publish: Callable[..., ProxyPool],
    lab: Lab,
    silent_port: int,
) -> None:
    hanging = f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:{silent_port}"
    publish(hanging, *(one.line for one in lab.proxies))

    report, log = probed(LIMPET_PROBE_TIMEOUT_SECONDS="1")

    assert (report["probed"], report["ok"], report["fault"]) == (6, 5, 1)
    assert "probe_failed" in log
    assert "S3cret" not in log + json.dumps(report)


def test_a_run_is_bounded_and_the_next_one_goes_on(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab
) -> None:
    publish(*(one.line for one in lab.proxies))
    few = {"LIMPET_PROBE_BATCH_SIZE": "3", "LIMPET_PROBE_CONCURRENCY": "2"}

    counts = [probed(**few)[0]["probed"] for _ in range(3)]

    assert counts == [3, 2, 0]


def test_a_proxy_that_nobody_can_open_stops_no_other(
    probed: Probed, publish: Callable[..., ProxyPool], lab: Lab, redis: Redis
) -> None:
    publish(*(one.line for one in lab.proxies))
    broken = parse_proxy(lab.proxies[0].line).id
    redis.hset(KEYS.proxy(broken), "url", "http://me:S3cret@no where:x")

    report, log = probed()

    assert (report["errors"], report["ok"]) == (1, 4)
    assert broken in log
    assert "S3cret" not in log


def test_a_changed_exit_under_a_live_session_is_an_event(
    probed: Probed,
    publish: Callable[..., ProxyPool],
    start_proxy: Callable[..., tuple[subprocess.Popen[str], int]],
    redis: Redis,
) -> None:
    process, port = start_proxy("127.0.7.21")
    pool = publish(f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:{port}")
    manager = SessionManager("default", SessionStore(redis, "default"), pool)
    manager.acquire("s", hold=30)
    soon = {"LIMPET_PROBE_AGAIN_MINUTES": "0.001"}
    before, _ = probed(**soon)
    process.kill()
    process.wait()
    start_proxy("127.0.7.22", port)

    after, log = probed(**soon)

    reader: Any = redis
    events = [one for _, one in reader.xrevrange(KEYS.audit)]
    [told] = [one for one in events if one[b"event"] == b"exit_changed"]
    assert (before["exit_changed"], after["exit_changed"]) == (0, 1)
    assert (told[b"from"], told[b"to"]) == (b"127.0.7.21", b"127.0.7.22")
    assert manager.stats().counters["exit_changes"] == 1
    assert "exit_changed" in log
    assert "S3cret" not in log + str(events)
