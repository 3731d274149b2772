"""The way to a page on a machine whose network changes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Error

from lab import Lab
from limpet.errors import BrowserFailed, LimpetError, StepFailed
from limpet.jobs import RenderJob
from proxies import Proxy
from sessions import Lease
from tasks.browser.relay import Traffic
from tasks.browser.values import Wish
from tasks.browser.watch import Watch
from tasks.browser.way import Way

CHANGED = "Page.goto: net::ERR_NETWORK_CHANGED at http://shop.example/"
SHOWN = (
    'Page.goto: Navigation to "http://shop.example/" is interrupted by another '
    'navigation to "chrome-error://chromewebdata/"'
)


class Tab:
    """What a tab of a browser does on such a machine: nobody can have one do that."""

    main_frame = None

    def __init__(self, *errors: str) -> None:
        self._errors = list(errors)
        self.asked = 0

    def on(self, *_given: Any) -> None:
        """Be told of nothing."""

    async def goto(self, _url: str, **_given: Any) -> None:
        self.asked += 1
        if self._errors:
            raise Error(self._errors.pop(0))


def go(lease: Lease, *errors: str) -> tuple[Tab, LimpetError | None]:
    """Go to a page in a tab that meets so many *errors*."""

    async def do() -> tuple[Tab, LimpetError | None]:
        tab: Any = Tab(*errors)
        url = "http://shop.example/"
        wish = Wish(RenderJob.parse((), {"url": url}), lease, "x", 20, 10, 10**6)
        watch = Watch(tab, tab, accept=False)
        way = Way(wish, tab, watch, Traffic(), lambda why: StepFailed(0, "", "", why))
        try:
            await way.go(url, "load", 20)
        except LimpetError as error:
            return tab, error
        return tab, None

    return asyncio.run(do())


@pytest.fixture
def lease(lease_of: Callable[[Proxy], Lease], lab: Lab) -> Lease:
    return lease_of(Proxy("http", "127.0.0.1", lab.proxies[0].port))


@pytest.mark.parametrize("errors", [(CHANGED,), (CHANGED, SHOWN), (CHANGED, CHANGED)])
def test_a_page_is_asked_for_again_when_the_machines_network_has_changed(
    lease: Lease, errors: tuple[str, ...]
) -> None:
    tab, error = go(lease, *errors)

    assert error is None
    assert tab.asked == len(errors) + 1


def test_a_network_that_changes_again_and_again_is_nobodys_fault(lease: Lease) -> None:
    _, error = go(lease, *[CHANGED] * 20)

    assert isinstance(error, BrowserFailed)
    assert str(error) == "the page ended before the page was done"


def test_a_connection_that_breaks_is_not_made_again(lease: Lease) -> None:
    tab, error = go(lease, "Page.goto: net::ERR_CONNECTION_RESET at http://x/")

    assert str(error) == (
        "broken (blame: unknown): the connection broke, before the answer"
    )
    assert tab.asked == 1
