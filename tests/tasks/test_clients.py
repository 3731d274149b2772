"""Whose connections and cookies are whose."""

from collections.abc import Callable

import pytest

from lab import Lab
from limpet.errors import LeaseLost, SessionBusy
from proxies import Outcome, parse_proxy
from sessions import Lease, SessionManager
from tasks.fetching import Request
from tasks.http import Fetcher

ManagerOn = Callable[..., SessionManager]


@pytest.fixture
def taken(
    lab: Lab, manager_on: ManagerOn, eventually: Callable[..., None], fetcher: Fetcher
) -> tuple[SessionManager, Lease, Lease]:
    """A session whose lease ended before its holder was done; and who took it over."""
    manager = manager_on(parse_proxy(lab.proxies[0].line), margin=0)
    early = manager.acquire("s", hold=0.1)
    fetcher.fetch(early, Request(f"{lab.site}/shop/x/1", timeout=5, max_bytes=1000))
    held: list[Lease] = []

    def take() -> bool:
        try:
            held.append(manager.acquire("s", hold=30))
        except SessionBusy:
            return False
        return True

    eventually(take)
    return manager, early, held[0]


def test_a_late_holder_does_not_close_the_connections_of_the_next(
    taken: tuple[SessionManager, Lease, Lease], fetcher: Fetcher, lab: Lab
) -> None:
    manager, early, late = taken
    fetcher.fetch(late, Request(f"{lab.site}/shop/x/1", timeout=5, max_bytes=1000))
    mine = fetcher._clients.of(late)

    with pytest.raises(LeaseLost):
        manager.release(early, Outcome.OK, patch={"cookies": fetcher.cookies(early)})
    fetcher.drop(early)
    fetcher.keep(early, 7)

    assert fetcher._clients.of(late) is mine
    page = fetcher.fetch(
        late, Request(f"{lab.site}/shop/x/2", timeout=5, max_bytes=1000)
    )
    assert b"<b id=seen>2</b>" in page.body


def test_the_next_holder_starts_without_what_was_refused(
    taken: tuple[SessionManager, Lease, Lease], fetcher: Fetcher, lab: Lab
) -> None:
    _, _, late = taken

    page = fetcher.fetch(
        late, Request(f"{lab.site}/shop/x/1", timeout=5, max_bytes=1000)
    )

    assert b"<b id=seen>1</b>" in page.body


def test_the_next_lease_goes_on_with_the_connections_and_cookies(
    manager_on: ManagerOn, fetcher: Fetcher, lab: Lab
) -> None:
    manager = manager_on(parse_proxy(lab.proxies[0].line))
    clients, pages = set(), []
    for n in range(3):
        lease = manager.acquire("s", hold=30)
        url = f"{lab.site}/shop/x/{n}"
        pages.append(fetcher.fetch(lease, Request(url, timeout=5, max_bytes=1000)).body)
        clients.add(fetcher._clients.of(lease))

        version = manager.release(
            lease, Outcome.OK, patch={"cookies": fetcher.cookies(lease)}
        )
        fetcher.keep(lease, version)

    assert len(clients) == 1
    assert b"<b id=seen>3</b>" in pages[-1]


def test_what_is_given_up_is_not_held(
    manager_on: ManagerOn, fetcher: Fetcher, lab: Lab
) -> None:
    manager = manager_on(parse_proxy(lab.proxies[0].line))
    leases = [manager.acquire(session, hold=30) for session in (None, "s")]
    for lease in leases:
        fetcher.fetch(lease, Request(f"{lab.site}/whoami", timeout=5, max_bytes=1000))

    fetcher.keep(leases[0], -1)
    fetcher.drop(leases[1])

    assert not fetcher._clients._used
    assert not fetcher._clients._kept
