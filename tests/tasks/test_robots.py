"""robots.txt: what it allows, who fetches it, and what happens when it is not there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from lab import Lab
from limpet.errors import Blame, DomainBusy, FetchError, RobotsRefused
from limpet.keys import robots_down_key, robots_key
from politeness import DomainLimits
from politeness.store import DomainStore, RobotsStore
from proxies import Proxy
from proxies.proxy import parse_proxy
from sessions import Lease
from tasks.http import Fetcher
from tasks.robots import MAX_BYTES, Fetch, Robots, through

SITE = "https://a.test"


class Site:
    """What a site answers to who asks for its robots.txt, and who asked."""

    def __init__(self, body: str | bytes = "", status: int = 200) -> None:
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.error: FetchError | None = None
        self.asked: list[str] = []

    def __call__(self, url: str) -> tuple[int, bytes]:
        self.asked.append(url)
        if self.error:
            raise self.error
        return self.status, self.body


@pytest.fixture
def robots_of(redis: Redis) -> Callable[..., Robots]:
    """Make what one worker has; each has its own, as processes do."""

    def make(agent: str = "limpet/0.1", ttl: float = 3600) -> Robots:
        limits = DomainLimits(DomainStore(redis))
        return Robots(RobotsStore(redis), limits, user_agent=agent, ttl=ttl)

    return make


@pytest.fixture
def robots(robots_of: Callable[..., Robots]) -> Robots:
    return robots_of()


def allows(robots: Robots, path: str, fetch: Fetch, agent: str | None = None) -> bool:
    try:
        robots.check(SITE + path, fetch, user_agent=agent)
    except RobotsRefused:
        return False
    return True


RULES = """\ufeffUser-agent: limpet
Disallow: /private
Allow: /private/but
Disallow: /*.pdf$

User-agent: *
Disallow: /
"""


@pytest.mark.parametrize(
    ("path", "agent", "allowed"),
    [
        ("/", None, True),
        ("/private/x", None, False),
        ("/private/but/this", None, True),
        ("/a.pdf", None, False),
        ("/a.pdf?x", None, True),
        ("/", "other", False),
        ("/robots.txt", "other", True),
    ],
)
def test_the_longest_rule_decides(
    robots: Robots, path: str, agent: str | None, *, allowed: bool
) -> None:
    assert allows(robots, path, Site(RULES), agent) is allowed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 302])
def test_a_site_without_the_file_allows_everything(robots: Robots, status: int) -> None:
    assert allows(robots, "/x", Site("User-agent: *\nDisallow: /", status))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_that_cannot_say_allows_nothing_for_a_time(
    robots_of: Callable[..., Robots], redis: Redis, status: int
) -> None:
    site = Site("", status)

    assert not allows(robots_of(), "/x", site)
    site.status = 200
    assert not allows(robots_of(), "/x", site)
    assert len(site.asked) == 1
    redis.delete(robots_down_key(SITE))
    assert allows(robots_of(), "/x", site)


def test_a_site_that_cannot_be_reached_allows_nothing(robots: Robots) -> None:
    site = Site()
    site.error = FetchError(Blame.TARGET, "connect")

    with pytest.raises(RobotsRefused, match=r"'a\.test' cannot be had"):
        robots.check(f"{SITE}/x", site)


def test_redirects_without_end_are_no_file(robots: Robots) -> None:
    site = Site()
    site.error = FetchError(Blame.TARGET, "redirects")

    assert allows(robots, "/x", site)


@pytest.mark.parametrize("blame", [Blame.PROXY, Blame.UNKNOWN])
def test_what_may_be_the_proxy_s_fault_says_nothing_of_the_site(
    robots: Robots, blame: Blame
) -> None:
    site = Site()
    site.error = FetchError(blame, "timeout")
    with pytest.raises(FetchError):
        robots.check(f"{SITE}/x", site)
    site.error = None

    assert allows(robots, "/x", site)


def test_an_old_file_is_better_than_none(
    robots_of: Callable[..., Robots], redis: Redis
) -> None:
    site = Site(RULES)
    robots_of().check(f"{SITE}/", site)
    redis.pexpire(robots_key(SITE), 6 * 86_400_000)
    site.status = 503

    robots = robots_of()

    assert allows(robots, "/x", site)
    assert not allows(robots, "/private/x", site)
    assert len(site.asked) == 2


def test_a_file_is_fetched_once_for_all(robots_of: Callable[..., Robots]) -> None:
    site = Site(RULES)

    for robots in (robots_of(), robots_of()):
        for path in ("/1", "/2"):
            assert allows(robots, path, site)

    assert site.asked == [f"{SITE}/robots.txt"]


def test_a_file_that_is_old_is_fetched_again(
    robots_of: Callable[..., Robots], eventually: Callable[..., None]
) -> None:
    robots, site = robots_of(ttl=0.05), Site("")
    assert allows(robots, "/x", site)
    site.body = b"User-agent: *\nDisallow: /"

    eventually(lambda: not allows(robots, "/x", site))


def test_only_one_job_of_a_process_fetches_it(robots: Robots) -> None:
    begun, go = Event(), Event()

    def slow(_: str) -> tuple[int, bytes]:
        begun.set()
        assert go.wait(20)
        return 200, b""

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(robots.check, f"{SITE}/1", slow)
        assert begun.wait(20)
        with pytest.raises(DomainBusy, match=r"a\.test.*robots\.txt"):
            robots.check(f"{SITE}/2", slow)
        go.set()
        first.result()

    robots.check(f"{SITE}/2", slow)


@pytest.mark.parametrize("line", ["Crawl-delay: 20", "Request-rate: 3/1m"])
def test_its_delay_slows_every_worker_down(
    robots: Robots, redis: Redis, line: str
) -> None:
    robots.check(f"{SITE}/x", Site(f"User-agent: *\n{line}\n"))

    with pytest.raises(DomainBusy) as busy:
        DomainLimits(DomainStore(redis)).take(f"{SITE}/y", hold=30)
    assert 10 < busy.value.retry_after <= 20


def test_no_more_than_500_kib_are_read(robots: Robots) -> None:
    comment = b"#" + b"x" * (MAX_BYTES - 40)
    site = Site(comment + b"\nUser-agent: *\nDisallow: /in\n" + b"\n" * 50 +
                b"Disallow: /out\n")  # fmt: skip

    assert not allows(robots, "/in", site)
    assert allows(robots, "/out", site)


@given(
    st.lists(
        st.sampled_from(["User-agent: *", "Disallow: /*a*b$", "Allow: ",
                         "Crawl-delay: -1",
                         "Request-rate: 0/0", "Visit-time: x", ":", "Sitemap: //["])
        | st.text(max_size=30)
    ).map("\n".join) | st.binary(max_size=200)
)  # fmt: skip
def test_no_file_breaks_it(redis_port: int, text: str | bytes) -> None:
    client = Redis(port=redis_port, db=2)
    client.flushdb()
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    limits = DomainLimits(DomainStore(client))

    robots = Robots(RobotsStore(client), limits, user_agent="limpet")

    assert allows(robots, "/a/b?c=%zz", Site(raw)) in {True, False}
    client.close()


def test_it_goes_through_the_session_that_wants_the_page(
    robots: Robots, lab: Lab, lease_on: Callable[[Proxy], Lease], fetcher: Fetcher
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    robots.check(f"{lab.site}/whoami", through(fetcher, lease, timeout=20))
    fetcher.drop(lease)
