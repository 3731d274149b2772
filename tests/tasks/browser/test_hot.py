"""Contexts that stay open for the session's next page, and when they may not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from lab import Lab
from proxies import Proxy
from sessions import Lease
from tasks.browser import contexts
from tasks.browser.host import Host
from tasks.browser.values import Rendered
from tests.conftest import Eventually
from tests.tasks.browser.conftest import Visitor, body_of

VisitorOn = Callable[..., Visitor]


def test_the_next_page_of_a_session_is_in_the_same_context(
    visitor: Visitor, lab: Lab
) -> None:
    first = visitor.visit(f"{lab.site}/set-cookie?line=seen=1;path=/")
    visitor.keep(first)

    second = visitor.once(f"{lab.site}/echo")

    assert (first.warm, second.warm) == (False, True)
    assert second.held.context is first.held.context
    assert body_of(second.page.body)["headers"]["cookie"] == "seen=1"


def test_bytes_and_events_of_a_warm_context_are_counted_anew(
    visitor: Visitor, lab: Lab
) -> None:
    first = visitor.visit(f"{lab.site}/trap/errors")
    visitor.keep(first)

    second = visitor.once(f"{lab.site}/whoami")

    assert second.held.warm
    assert second.seen.console == []
    assert 0 < second.traffic.received < first.traffic.received + 2000
    assert second.traffic is not first.traffic


def test_a_session_that_somebody_else_has_used_gets_a_new_context(
    visitor: Visitor, lab: Lab
) -> None:
    first = visitor.visit(f"{lab.site}/whoami")
    visitor.keep(first)
    state = replace(visitor.lease.state, version=visitor.lease.state.version + 1)
    visitor.lease = replace(visitor.lease, state=state)

    second = visitor.once(f"{lab.site}/whoami")

    assert not second.held.warm


def test_a_page_waits_for_the_context_that_the_last_job_puts_away(
    visitor: Visitor, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "_BACK", 20)
    first = visitor.visit(f"{lab.site}/whoami")
    state = replace(visitor.lease.state, version=visitor.lease.state.version + 1)
    following = Visitor(visitor.host, replace(visitor.lease, state=state))

    with ThreadPoolExecutor() as threads:
        second = threads.submit(following.once, f"{lab.site}/whoami")
        wait([second], timeout=0.5)
        visitor.keep(first)

        assert second.result(30).held.warm


def _beside(visitor: Visitor, lab: Lab, **job: Any) -> Rendered:
    """Do a page while another one of the session is open."""
    first = visitor.visit(f"{lab.site}/whoami")
    with ThreadPoolExecutor() as threads:
        second = threads.submit(visitor.once, f"{lab.site}/whoami", **job)
        wait([second], timeout=15)
        in_time = second.done()
        visitor.host.drop(first)
        assert in_time
        return second.result()


def test_a_page_does_not_wait_for_ever(visitor: Visitor, lab: Lab) -> None:
    second = _beside(visitor, lab)

    assert (second.warm, second.page.status) == (False, HTTPStatus.OK)


@pytest.mark.parametrize(
    ("shared", "viewport"), [(True, (1280, 720)), (False, (400, 300))]
)
def test_a_page_that_cannot_have_the_context_does_not_wait_for_it(
    visitor: Visitor,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
    viewport: tuple[int, int],
) -> None:
    monkeypatch.setattr(contexts, "_BACK", 60)
    visitor.lease = replace(visitor.lease, shared=shared)

    size = dict(zip(("width", "height"), viewport, strict=True))
    second = _beside(visitor, lab, viewport=size)

    assert (second.warm, second.page.status) == (False, HTTPStatus.OK)


def test_the_memory_of_contexts_that_are_kept_is_looked_at(
    visitor: Visitor, lab: Lab, eventually: Eventually
) -> None:
    found = visitor.visit(f"{lab.site}/whoami")
    visitor.keep(found)
    found.held.process.memory = 0

    eventually(lambda: found.held.process.memory > 0)


@pytest.mark.parametrize(
    "change", [{"generation": 2}, {"incarnation": 2}, {"proxy": Proxy("direct", "", 0)}]
)
def test_a_session_that_was_bound_anew_gets_a_new_context(
    visitor: Visitor, lab: Lab, change: dict[str, Any]
) -> None:
    first = visitor.visit(f"{lab.site}/whoami")
    visitor.keep(first)
    visitor.lease = replace(visitor.lease, **change)

    second = visitor.once(f"{lab.site}/whoami")

    assert not second.held.warm


def test_another_viewport_or_user_agent_needs_a_new_context(
    visitor: Visitor, lab: Lab
) -> None:
    visitor.keep(visitor.visit(f"{lab.site}/whoami"))
    wide = visitor.visit(f"{lab.site}/whoami", viewport={"width": 800, "height": 600})
    visitor.keep(wide)

    other = visitor.once(f"{lab.site}/whoami", user_agent="another")

    assert not wide.held.warm
    assert not other.held.warm
    assert body_of(other.page.body)["headers"]["user-agent"] == "another"


def test_those_used_longest_ago_make_room(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with(render_hot_contexts=1)
    direct = Proxy("direct", "", 0)
    one, other = (Visitor(host, lease_of(direct)) for _ in range(2))
    for visitor in (one, other):
        visitor.keep(visitor.visit(f"{lab.site}/whoami"))

    again = other.once(f"{lab.site}/whoami")
    gone = one.once(f"{lab.site}/whoami")

    assert (again.held.warm, gone.held.warm) == (True, False)


def test_a_context_that_nobody_comes_back_for_is_closed(
    host_with: Callable[..., Host],
    lease_of: Callable[[Proxy], Lease],
    lab: Lab,
    eventually: Eventually,
) -> None:
    host = host_with(render_hot_seconds=0.2)
    visitor = Visitor(host, lease_of(Proxy("direct", "", 0)))
    first = visitor.visit(f"{lab.site}/whoami")
    closed: list[bool] = []
    first.held.context.on("close", lambda _context: closed.append(True))

    visitor.keep(first)

    eventually(lambda: closed == [True], within=10)


def test_a_browser_is_replaced_after_so_many_pages(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with(render_max_pages=2, render_hot_contexts=0)
    seen = []
    for _ in range(4):
        visitor = Visitor(host, lease_of(Proxy("direct", "", 0)))
        found = visitor.once(f"{lab.site}/whoami")
        assert found.error is None
        seen.append(host.pids()[0])

    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_a_browser_that_has_grown_too_large_is_replaced(
    host_with: Callable[..., Host],
    lease_of: Callable[[Proxy], Lease],
    lab: Lab,
    eventually: Eventually,
) -> None:
    host = host_with(render_max_memory_mb=200)
    visitor = Visitor(host, lease_of(Proxy("direct", "", 0)))
    visitor.once(f"{lab.site}/whoami")
    first = host.pids()[0]

    found = visitor.once(f"{lab.site}/trap/hungry", timeout=30)

    assert found.error is not None
    eventually(lambda: visitor.once(f"{lab.site}/whoami").error is None, within=20)
    assert host.pids()[0] != first


def test_pages_of_contexts_that_stay_open_wear_a_browser_too(
    host_with: Callable[..., Host], lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    host = host_with(render_max_pages=3)
    visitor = Visitor(host, lease_of(Proxy("direct", "", 0)))
    seen = []
    for _ in range(5):
        found = visitor.visit(f"{lab.site}/whoami")
        assert found.error is None
        seen.append((found.held.warm, host.pids()[0]))
        visitor.keep(found)

    assert [warm for warm, _ in seen] == [False, True, True, False, True]
    assert seen[0][1] == seen[2][1] != seen[3][1] == seen[4][1]
