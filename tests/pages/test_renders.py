"""Pages in a browser, on the page of their session."""

from redis import Redis

from history.snapshots import Snapshots
from history.store import HistoryStore
from proxies import Outcome, ProxyPool
from sessions import SessionManager
from tests.pages.site import Site


def test_a_sessions_page_says_how_many_and_how_long(
    site: Site, manager: SessionManager
) -> None:
    for _ in range(2):
        manager.release(manager.acquire("one", hold=5), Outcome.OK, rendered=0.2)

    page = site.get("/session", pool="default", id="one")

    assert "2 in a browser, 200 ms each (P50 175, P95 198)" in page.words


def test_the_last_hour_has_pages_in_a_browser_apart(
    site: Site, manager: SessionManager, pool: ProxyPool, redis: Redis
) -> None:
    snapshots = Snapshots(HistoryStore(redis))
    for _ in range(2):
        for _ in range(2):
            lease = manager.acquire("one", hold=5)
            manager.release(lease, Outcome.OK, elapsed=0.1, rendered=0.2)
        snapshots.take(manager, pool, {})

    page = site.get("/sessions", pool="default")

    assert "In a browser: P50 175 ms; P99 200 ms; 4 pages" in page.words
