"""Pages in a browser, on the page of their session."""

from proxies import Outcome
from sessions import SessionManager
from tests.pages.site import Site


def test_a_sessions_page_says_how_many_and_how_long(
    site: Site, manager: SessionManager
) -> None:
    for _ in range(2):
        manager.release(manager.acquire("one", hold=5), Outcome.OK, rendered=0.2)

    page = site.get("/session", pool="default", id="one")

    assert "2 in a browser, 200 ms each (P50 175, P95 198)" in page.words
