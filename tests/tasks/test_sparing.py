"""Limits, robots.txt and rules on the way that a job takes through one process."""

from collections.abc import Callable

import pytest
from redis import Redis

from extraction import Crew
from lab import Lab
from limpet.errors import DomainBusy
from limpet.jobs import Rule
from limpet.politeness_settings import DomainLimit
from politeness import DomainLimits
from politeness.store import DomainStore, RobotsStore
from proxies import Proxy
from proxies.proxy import parse_proxy
from sessions import Lease
from tasks.fetching import Fetcher, Request
from tasks.robots import Robots, through


def test_a_page_is_allowed_fetched_in_its_turn_and_read(
    redis: Redis, lab: Lab, lease_on: Callable[[Proxy], Lease], fetcher: Fetcher
) -> None:
    limits = DomainLimits(DomainStore(redis), default=DomainLimit(rate=0.1))
    robots = Robots(RobotsStore(redis), limits, user_agent="limpet")
    lease = lease_on(parse_proxy(lab.proxies[0].line))
    url = f"{lab.site}/shop/user-42/1"
    rules = {"visitor": Rule(css="#visitor"), "seen": Rule(css="#seen", type="int")}

    robots.check(url, through(fetcher, lease, timeout=20))
    with limits.slot(url, hold=20):
        page = fetcher.fetch(lease, Request(url, timeout=20))
    with Crew(size=1) as crew:
        found = crew.extract(
            rules, page.text(), url=page.url, content_type=page.content_type
        )
    fetcher.drop(lease)

    assert found == {"visitor": "user-42", "seen": 1}
    with pytest.raises(DomainBusy), limits.slot(url, hold=20):
        pytest.fail("there was no turn")
