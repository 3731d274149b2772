"""The promise, on real processes: the site's own log is the witness."""

import json
from collections import defaultdict
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING

from redis import Redis

from lab import Lab, Visit

if TYPE_CHECKING:
    from tests.stack import Stack

SESSIONS, PAGES = 20, 10


def _paths(visits: list[Visit]) -> dict[str, list[str]]:
    """Return the exit addresses of each visitor, in order, without repeats."""
    seen: dict[str, list[str]] = defaultdict(list)
    for visit in visits:
        seen[visit.visitor].append(visit.address)
    return {name: [a for a, _ in groupby(path)] for name, path in seen.items()}


def _send(stack: "Stack", site: str, pages: range) -> list[str]:
    app = stack.app()
    results = [
        app.send_task(
            "scrape",
            kwargs={"url": f"{site}/shop/user-{n}/{page}", "session": f"user-{n}"},
        )
        for page in pages
        for n in range(SESSIONS)
    ]
    return [result.get(timeout=60)["text"] for result in results]


def test_sessions_keep_their_address_and_move_once_when_a_proxy_dies(
    stack: "Stack", redis: Redis
) -> None:
    with Lab() as lab:
        lines = "\n".join(proxy.line for proxy in lab.proxies)
        assert "5 new" in stack.manage("proxies", "import", "-", stdin=lines).stdout
        stack.worker(LIMPET_PROXY_COOLDOWN_SECONDS="600")

        first = _send(stack, lab.site, range(PAGES // 2))
        before = _paths(lab.visits())
        dead = lab.proxies[0]
        dead.kill()
        second = _send(stack, lab.site, range(PAGES // 2, PAGES))
        visits = lab.visits()
        after = _paths(visits)

    assert len(first) + len(second) == SESSIONS * PAGES
    assert {(v.visitor, v.page) for v in visits} == {
        (f"user-{n}", page) for n in range(SESSIONS) for page in range(PAGES)
    }
    assert len(visits) == SESSIONS * PAGES
    assert [len(path) for path in before.values()] == [1] * SESSIONS
    moved = {name for name, path in before.items() if path == [dead.exit_address]}
    assert len(moved) == SESSIONS // 5
    for name, path in after.items():
        assert len(path) == (2 if name in moved else 1), (name, path)
        assert path[0] == before[name][0]
        assert path[-1] != dead.exit_address


def test_the_job_of_a_killed_worker_is_done_by_another(
    stack: "Stack", lab: Lab, eventually: Callable[..., None]
) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    soon = {
        "LIMPET_VISIBILITY_TIMEOUT_SECONDS": "3",
        "LIMPET_JOB_TIMEOUT_SECONDS": "2",
        "LIMPET_WORKER_THREADS": "2",
    }
    victim = stack.worker("victim", **soon)
    start = len(lab.visits())
    job = {"url": f"{lab.site}/shop/v/7?delay=1", "session": "v", "timeout": 2}
    result = stack.app().send_task("scrape", kwargs=job)
    eventually(lambda: result.state == "STARTED")

    victim.kill()
    stack.worker("heir", **soon)

    # The dead worker's lease lives for its timeout and 15 s more.
    page = result.get(timeout=60)
    assert (page["status"], page["session"], page["generation"]) == (200, "v", 1)
    assert {visit.visitor for visit in lab.visits(start)} == {"v"}


def test_beat_cleans_up_and_takes_snapshots(
    stack: "Stack", lab: Lab, redis: Redis, eventually: Callable[..., None]
) -> None:
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    stack.manage("proxies", "import", "-", stdin=lines)
    soon = {
        "SESSION_TIMEOUT_MINUTES": "0.005",
        "SESSION_CLEANUP_INTERVAL_MINUTES": "0.02",
        "LIMPET_SNAPSHOT_INTERVAL_SECONDS": "1",
    }
    stack.worker(**soon)
    stack.celery("beat", log="beat", **soon)
    # A snapshot counts from the one before.
    eventually(lambda: redis.xlen("{default}:m") > 0, within=30)
    job = {"url": f"{lab.site}/whoami", "session": "soon-over"}
    stack.app().send_task("scrape", kwargs=job).get(timeout=60)

    eventually(lambda: redis.hget("{default}:n", "closed_idle") == b"1", within=20)
    eventually(lambda: redis.xlen("{default}:m") > 1, within=20)

    assert list(redis.scan_iter(match="*soon-over*")) == []

    def noted() -> tuple[str, str]:
        rows = stack.run(
            "-c",
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
            "print(db.execute('SELECT max(proxies_up), "
            'max(json_extract(totals, "$.requests")) '
            "FROM pool_snapshots').fetchone())",
            str(stack.folder / "limpet.db"),
        )
        up, requests = rows.stdout.strip("()\n").split(", ")
        return up, requests

    # What is in the stream is in SQL a moment later.
    eventually(lambda: noted() == ("5", "1"), within=30)


def test_a_job_is_done_whatever_its_priority(
    stack: "Stack", lab: Lab, publish: Callable[..., None]
) -> None:
    publish(lab.proxies[0].line)
    app = stack.app()
    job = {"url": f"{lab.site}/whoami"}
    stack.worker()

    sent = [app.send_task("scrape", kwargs=job, priority=n) for n in (0, 3, 5, 6, 9)]

    assert [result.get(timeout=60)["status"] for result in sent] == [200] * 5


def test_a_redis_that_lost_its_data_is_filled_from_sql(
    stack: "Stack", lab: Lab, redis: Redis
) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    stack.worker()
    job = {"url": f"{lab.site}/whoami", "session": "s"}
    first = stack.app().send_task("scrape", kwargs=job).get(timeout=60)

    redis.flushdb()
    second = stack.app().send_task("scrape", kwargs=job).get(timeout=60)

    assert (first["proxy"], second["generation"]) == (second["proxy"], 1)


def test_filled_from_sql_a_drained_proxy_still_gets_no_session(
    stack: "Stack", lab: Lab, redis: Redis
) -> None:
    lines = f"{lab.proxies[0].line}\n{lab.proxies[1].line}"
    stack.manage("proxies", "import", "-", stdin=lines)
    rows = json.loads(stack.manage("proxies", "ls", "--json").stdout)
    stack.manage("proxies", "drain", rows[0]["id"])
    stack.worker()

    redis.flushdb()
    sent = [
        stack.app().send_task("scrape", kwargs={"url": f"{lab.site}/whoami"})
        for _ in range(4)
    ]

    assert {job.get(timeout=60)["proxy"] for job in sent} == {rows[1]["id"]}
