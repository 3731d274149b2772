"""Jobs of many pages whose worker, Redis or site has other plans."""

import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from lab import Lab
from limpet.embedded import server_command
from tests.stack import Stack

if TYPE_CHECKING:
    from tests.warm import Warm

Eventually = Callable[..., None]
Publish = Callable[..., None]

#: What a worker that dies has to do again: `tasks.scrape_many`.
BATCH = 25


def _pages(lab: Lab, visitor: str) -> Counter[int]:
    return Counter(one.page for one in lab.visits() if one.visitor == visitor)


def _urls(lab: Lab, visitor: str, count: int) -> list[str]:
    return [f"{lab.site}/shop/{visitor}/{n}" for n in range(count)]


def _send(stack: Stack, urls: list[str], **job: Any) -> Any:
    return stack.app().send_task("scrape_many", kwargs={"urls": urls, **job})


def test_a_job_whose_worker_is_killed_goes_on_where_it_was(
    stack: Stack, lab: Lab, publish: Publish, eventually: Eventually
) -> None:
    publish(lab.proxies[0].line)
    assert stack.manage("migrate").returncode == 0
    soon = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "3"}
    victim = stack.worker("victim", **soon)
    # Without a session of its own name nobody waits for the dead worker's lease.
    job = _send(stack, _urls(lab, "heir", 300), delay=0.01, store="row")
    eventually(lambda: len(_pages(lab, "heir")) >= 60)

    victim.kill()
    victim.wait()
    stack.worker("heir", **soon)
    found = job.get(timeout=40)

    pages = _pages(lab, "heir")
    assert (found["done"], found["left"], found["stopped"]) == (300, 0, None)
    assert [page["item"] for page in found["pages"]] == list(range(300))
    assert set(pages) == set(range(300))
    assert sum(pages.values()) - 300 <= BATCH
    shown = stack.manage("results", "ls", "--job", job.id, "--limit", "999")
    assert shown.stdout.count("/shop/heir/") == 300


@pytest.mark.parametrize("name", ["SIGTERM", "SIGQUIT"])
@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_a_worker_that_is_told_to_end_gives_back_a_job_of_many_pages(
    stack: Stack,
    lab: Lab,
    publish: Publish,
    eventually: Eventually,
    name: str,
    pool: str,
) -> None:
    publish(lab.proxies[0].line)
    visitor = f"end-{pool}-{name}"
    environment = {"LIMPET_WORKER_THREADS": "2", "CELERY_WORKER_POOL": pool}
    old = stack.worker("old", **environment)
    job = _send(stack, _urls(lab, visitor, 40), delay=0.5, session=visitor)
    eventually(lambda: len(_pages(lab, visitor)) >= 3, within=30)

    old.send_signal(signal.Signals[name])
    old.wait(20)

    broker = Redis.from_url(stack.broker_url)
    assert (broker.llen("celery"), broker.hlen("unacked")) == (1, 0)
    log = stack.log("old").read_text()
    assert "NotImplementedError" not in log
    # To be given back is no failure.
    assert "Traceback" not in log
    before = sum(_pages(lab, visitor).values())
    assert before < 30
    stack.worker("new", **environment)
    found = job.get(timeout=50)
    assert (found["done"], found["left"]) == (40, 0)
    pages = _pages(lab, visitor)
    assert set(pages) == set(range(40))
    # A process that is killed takes what it has not told of with it.
    killed = (name, pool) == ("SIGQUIT", "processes")
    assert killed or set(pages.values()) == {1}


@pytest.fixture
def own_redis(
    tmp_path: Path, free_port: Callable[[], int], eventually: Eventually
) -> Iterator[tuple[int, Callable[[], None], Callable[[], None]]]:
    """Return a Redis's port, and what kills it and starts it again."""
    port, running = free_port(), []

    def answers() -> bool:
        try:
            return bool(Redis(port=port).ping())
        except RedisConnectionError:
            return False

    def start() -> None:
        command = server_command(port, tmp_path / "redis")
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        eventually(answers)

    def kill() -> None:
        process = running.pop()
        process.kill()
        process.wait()

    start()
    yield port, kill, start
    if running:
        kill()


@pytest.fixture
def own_stack(
    own_redis: tuple[int, Callable[[], None], Callable[[], None]],
    tmp_path: Path,
    warm: "Warm",
) -> Iterator[Stack]:
    """Return processes on that Redis."""
    made = Stack(own_redis[0], tmp_path, warm)
    yield made
    made.close()


def test_a_job_outlives_a_restart_of_redis(
    own_redis: tuple[int, Callable[[], None], Callable[[], None]],
    own_stack: Stack,
    lab: Lab,
    eventually: Eventually,
) -> None:
    stack, (_, kill, start) = own_stack, own_redis
    done = stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    assert done.returncode == 0, done.stderr
    worker = stack.worker(LIMPET_VISIBILITY_TIMEOUT_SECONDS="5")
    # Nine seconds at least: when Redis is killed, it is not done yet.
    job = _send(stack, _urls(lab, "restart", 300), delay=0.03)
    eventually(lambda: len(_pages(lab, "restart")) >= 60)

    kill()
    # It could not be sent anew: the message that its worker holds is not lost.
    told = stack.log("worker")
    eventually(lambda: "reject requeue=True" in told.read_text(), within=60)
    start()

    found = stack.app().AsyncResult(job.id).get(timeout=60)
    assert (found["done"], found["left"], found["stopped"]) == (300, 0, None)
    pages = _pages(lab, "restart")
    assert set(pages) == set(range(300))
    # What Redis had not written to its disk, and what the worker had not told it.
    assert sum(pages.values()) - 300 <= 6 * BATCH
    assert worker.poll() is None


def test_all_workers_together_keep_a_site_s_limit(
    stack: Stack, lab: Lab, publish: Publish, redis: Redis
) -> None:
    publish(*(proxy.line for proxy in lab.proxies))
    for name in ("one", "two"):
        stack.worker(name, LIMPET_DOMAIN_RATE="10", LIMPET_WORKER_THREADS="2")
    start = redis.time()

    jobs = [_send(stack, _urls(lab, f"polite-{n}", 10)) for n in range(3)]
    found = [job.get(timeout=40) for job in jobs]

    end = redis.time()
    assert [one["done"] for one in found] == [10] * 3
    # 30 pages at 10 a second, of which the first ten may come at once.
    assert (end[0] - start[0]) + (end[1] - start[1]) / 1e6 >= 1.9
