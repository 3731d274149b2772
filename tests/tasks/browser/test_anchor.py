"""Processes that stay open for the session's next page, and when they may not."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab import Lab
from limpet.errors import BrowserFailed
from proxies import Proxy
from sessions import Lease
from tasks.browser.host import Host
from tests.conftest import Eventually
from tests.tasks.browser.conftest import Visitor, body_of


def _renderers(host: Host) -> set[int]:
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in host.pids()}
    return {pid for pid, line in lines.items() if b"--type=renderer" in line}


def _back(visitor: Visitor) -> Visitor:
    """Make a visitor of one whose session was there before."""
    return Visitor(visitor.host, replace(visitor.lease, created=False))


def test_a_page_of_a_session_that_came_back_goes_on_in_the_same_process(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with()
    visitor = _back(Visitor(host, lease_of(Proxy("direct", "", 0))))
    visitor.keep(visitor.visit(f"{lab.site}/whoami"))
    before = _renderers(host)

    for _ in range(2):
        found = visitor.visit(f"{lab.site}/whoami")
        assert found.error is None
        assert _renderers(host) == before
        visitor.keep(found)

    assert len(before) == 1


def test_no_two_sessions_share_a_process(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with()
    seen, pages = [], []
    for _ in range(3):
        visitor = _back(Visitor(host, lease_of(Proxy("direct", "", 0))))
        visitor.keep(visitor.visit(f"{lab.site}/whoami"))
        pages.append(visitor.visit(f"{lab.site}/whoami"))
        seen.append(len(_renderers(host)))

    assert seen == [1, 2, 3]
    for one in pages:
        host.drop(one)


def test_a_page_finds_nothing_of_the_last_one_in_its_tab(
    visitor: Visitor, lab: Lab
) -> None:
    visitor = _back(visitor)
    leave = "sessionStorage.setItem('s', '1'); window.name = 'n'; history.length"
    look = "[sessionStorage.length, window.name, history.length]"
    seen, warm = [], []
    for script in (leave, look, leave, look):
        steps = [{"do": "evaluate", "script": script, "name": "seen"}]
        found = visitor.visit(f"{lab.site}/whoami", steps=steps)
        assert found.error is None
        seen.append(found.values["seen"])
        warm.append(found.held.warm)
        visitor.keep(found)

    assert warm == [False, True, True, True]
    assert seen[1] == seen[3] == [0, "", seen[0]]


def test_a_process_that_died_meanwhile_is_the_end_of_one_page_at_most(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with()
    visitor = _back(Visitor(host, lease_of(Proxy("direct", "", 0))))
    visitor.keep(visitor.visit(f"{lab.site}/set-cookie?line=seen=1;path=/"))
    browser = host.pids()[0]
    for pid in _renderers(host):
        os.kill(pid, signal.SIGKILL)

    # The browser may not know it yet; the job is tried again then.
    with suppress(BrowserFailed):
        visitor.once(f"{lab.site}/echo")
    for _ in range(2):
        found = visitor.visit(f"{lab.site}/echo")
        assert found.error is None
        assert body_of(found.page.body)["headers"]["cookie"] == "seen=1"
        visitor.keep(found)

    assert host.pids()[0] == browser


@pytest.mark.parametrize("trap", ["heavy", "clinging"])
def test_what_a_page_leaves_behind_is_no_burden_of_the_next_one(
    host_with: Callable[..., Host],
    lease_of: Callable[[Proxy], Lease],
    lab: Lab,
    eventually: Eventually,
    trap: str,
) -> None:
    host = host_with()
    visitor = _back(Visitor(host, lease_of(Proxy("direct", "", 0))))
    visitor.keep(visitor.visit(f"{lab.site}/whoami"))
    assert len(_renderers(host)) == 1

    found = visitor.visit(f"{lab.site}/trap/{trap}")
    visitor.keep(found)

    assert found.error is None
    eventually(lambda: not _renderers(host), within=10)
    for _ in range(2):
        found = visitor.visit(f"{lab.site}/whoami")
        assert (found.error, found.held.warm) == (None, True)
        visitor.keep(found)
    assert len(_renderers(host)) == 1
