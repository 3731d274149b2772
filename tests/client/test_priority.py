"""What comes first when many jobs wait. A module of its own: its worker is, too."""

from typing import TYPE_CHECKING

from lab import Lab
from limpet.client import Limpet

if TYPE_CHECKING:
    from tests.stack import Stack


def test_the_more_urgent_job_runs_first(stack: "Stack", lab: Lab) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    with Limpet(stack.broker_url) as limpet:
        jobs = [
            limpet.scrape(f"{lab.site}/shop/urgent/{n}", priority=n)
            for n in (9, 6, 3, 0)
        ]

        stack.worker(LIMPET_WORKER_THREADS="1")
        for job in jobs:
            job.get(timeout=30)

    assert [visit.page for visit in lab.visits() if visit.visitor == "urgent"] == [
        0,
        3,
        6,
        9,
    ]
