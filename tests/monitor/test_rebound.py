"""A session that moves while a job waits for it is told of as an event of that job."""

from collections.abc import Callable

from redis import Redis

from lab import Lab
from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from tests.conftest import Eventually
from tests.monitor.conftest import Flower
from tests.monitor.listening import listening
from tests.stack import Stack


def test_a_failover_is_an_event_of_the_job_that_met_it(
    stack: Stack, lab: Lab, eventually: Eventually, redis: Redis
) -> None:
    stack.manage("migrate")
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish([ProxyRecord(parse_proxy(one.line)) for one in lab.proxies])
    stack.worker()
    app = stack.app()
    url = f"{lab.site}/whoami"

    def scrape() -> tuple[str, dict[str, object]]:
        sent = app.send_task("scrape", kwargs={"url": url, "session": "one"})
        return sent.id, sent.get(timeout=30)

    with listening(app) as events:
        _, first = scrape()
        pool.set_mode(str(first["proxy"]), "disabled")
        job, second = scrape()
        eventually(lambda: any(e["type"] == "task-rebound" for e in events))
        scrape()

    [rebound] = [one for one in events if one["type"] == "task-rebound"]
    assert first["proxy"] != second["proxy"]
    assert rebound["uuid"] == job
    assert rebound["hostname"] == "worker@test"
    told = {name: rebound[name] for name in ("pool", "session", "proxy", "generation")}
    assert told == {
        "pool": "default",
        "session": "one",
        "proxy": second["proxy"],
        "generation": 2,
    }


def test_flower_shows_and_counts_it(
    stack: Stack,
    lab: Lab,
    eventually: Eventually,
    free_port: Callable[[], int],
    redis: Redis,
) -> None:
    stack.manage("migrate")
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish([ProxyRecord(parse_proxy(one.line)) for one in lab.proxies])
    port = free_port()
    stack.celery("flower", log="flower", FLOWER_PORT=str(port))
    stack.worker()
    flower = Flower(port, stack)
    eventually(flower.up, within=60)
    app = stack.app()

    def scrape() -> dict[str, object]:
        kwargs = {"url": f"{lab.site}/whoami", "session": "one"}
        found: dict[str, object] = app.send_task("scrape", kwargs=kwargs).get(
            timeout=30
        )
        return found

    def counted() -> bool:
        for (name, labels), value in flower.metrics().items():
            if name == "flower_events_total" and ("type", "task-rebound") in labels:
                return value >= 1
        return False

    def moved() -> bool:
        # Flower hears nothing of what was before it listened.
        pool.set_mode(str(scrape()["proxy"]), "disabled")
        scrape()
        for one in lab.proxies:
            pool.set_mode(parse_proxy(one.line).id, "")
        return counted()

    eventually(moved, within=40)
