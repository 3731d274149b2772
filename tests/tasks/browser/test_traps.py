"""Pages that are no good: each is bounded, or refused, and the next one is fine."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from limpet.errors import AddressRefused, InvalidJob, StepFailed
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.browser.host import Host
from tests.tasks.browser.conftest import Visitor, settings

VisitorOn = Callable[..., Visitor]

PNG = b"\x89PNG\r\n"


@pytest.fixture
def fine(visitor_on: VisitorOn, lab: Lab) -> Iterator[None]:
    """See that the browser does a page after whatever a test has done to it."""
    yield
    after = visitor_on(lab.proxies[0].line).once(f"{lab.site}/whoami")
    assert (after.error, after.page.status) == (None, 200)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Host]:
    """A browser that is to take little memory."""
    made = Host(settings(tmp_path, render_max_memory_mb=300))
    yield made
    made.close()


@pytest.fixture
def sink() -> Iterator[list[bytes]]:
    """What comes over UDP to a port of loopback; the first entry is the port."""
    found: list[bytes] = []
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.1)
        found.append(str(listener.getsockname()[1]).encode())
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    found.append(listener.recv(2048))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield found
        over.set()
        thread.join()


@contextmanager
def listening() -> Iterator[tuple[int, list[object]]]:
    """A port of 127.1.1.1 that notes who connects to it."""
    came: list[object] = []
    with socket.create_server(("127.1.1.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, place = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                came.append(place)

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], came
        over.set()
        thread.join()


@pytest.mark.usefixtures("fine")
def test_a_page_whose_script_never_ends_is_late(visitor: Visitor, lab: Lab) -> None:
    start = time.monotonic()

    found = visitor.once(f"{lab.site}/trap/loop", timeout=2)

    assert str(found.error) == "the page: the page came, but was not ready in time"
    assert time.monotonic() - start < 2 + 15


@pytest.mark.usefixtures("fine")
def test_a_step_in_a_page_that_hangs_later_is_late(visitor: Visitor, lab: Lab) -> None:
    steps = [{"do": "click", "selector": "h1", "timeout": 1}]

    found = visitor.once(f"{lab.site}/trap/late-loop", steps=steps)

    assert isinstance(found.error, StepFailed)
    assert (found.error.number, found.error.do) == (1, "click")


@pytest.mark.usefixtures("fine")
def test_a_page_that_is_never_ready_is_late(visitor: Visitor, lab: Lab) -> None:
    found = visitor.once(f"{lab.site}/trap/never", timeout=1)

    assert str(found.error) == "the page: the page came, but was not ready in time"
    assert found.picture.startswith(PNG)


def test_a_page_that_need_not_be_whole_is_there_at_once(
    visitor: Visitor, lab: Lab
) -> None:
    found = visitor.once(f"{lab.site}/trap/never", wait="domcontentloaded")

    assert found.error is None
    assert found.title == "Trap"


@pytest.mark.usefixtures("fine")
def test_a_page_of_300_megabytes_is_cut_off(visitor: Visitor, lab: Lab) -> None:
    found = visitor.once(f"{lab.site}/trap/flood?mb=300", most=5_000_000)

    assert isinstance(found.error, StepFailed)
    assert "brought more than 5,000,000 bytes" in str(found.error)
    assert found.traffic.received < 10_000_000


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_page_of_300_megabytes_that_are_one_on_the_way_is_bounded(
    small: Host, lease_of: Callable[[Proxy], Lease], lab: Lab, coding: str
) -> None:
    bomb = Visitor(small, lease_of(parse_proxy(lab.proxies[0].line)))
    next_ = Visitor(small, lease_of(parse_proxy(lab.proxies[0].line)))

    found = bomb.once(f"{lab.site}/trap/bomb/{coding}", timeout=60)
    after = next_.once(f"{lab.site}/whoami")

    assert str(found.error) == "the page: the page took too much memory"
    assert found.traffic.received < 1_000_000
    assert (after.error, after.page.status) == (None, 200)


def test_a_page_that_takes_too_much_memory_costs_its_neighbours_nothing(
    small: Host, lease_of: Callable[[Proxy], Lease], lab: Lab
) -> None:
    hungry, calm = (Visitor(small, lease_of(Proxy("direct", "", 0))) for _ in range(2))
    slow = f"{lab.site}/shop/calm/1?delay=8"

    with ThreadPoolExecutor(2) as threads:
        beside = threads.submit(calm.once, slow, timeout=60)
        found = hungry.once(f"{lab.site}/trap/hungry", timeout=60)

    assert str(found.error) == "the page: the page took too much memory"
    assert (beside.result().error, beside.result().page.status) == (None, 200)


def test_errors_of_a_page_are_told(visitor: Visitor, lab: Lab) -> None:
    found = visitor.once(f"{lab.site}/trap/errors")

    assert found.error is None
    assert found.seen.console[0] == "a wrong thing"
    assert "nothing is not defined" in found.seen.console[1]


@pytest.mark.parametrize("line", [0, 1])
def test_what_no_job_may_go_to_is_refused_to_pages_too(
    visitor_on: VisitorOn, lab: Lab, line: int
) -> None:
    with listening() as (port, came):
        # Of loopback just the lab's own address may be visited.
        visitor = visitor_on(lab.proxies[line].line)
        places = (
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:a9fe:a9fe]/x",
            "https://169.254.169.254/x",
            f"http://127.1.1.1:{port}/x",
            f"https://localhost:{port}/x",
            f"https://127.1.1.1:{port}/x",
            f"http://10.0.0.1:{port}/x",
            "file:///etc/passwd",
            "http://metadata.google.internal/x",
        )
        asked = "&".join(f"url={place}" for place in places)

        found = visitor.once(
            f"{lab.site}/trap/asks?{asked}",
            steps=[{"do": "wait", "text": "asked"}],
        )

    assert found.error is None
    assert came == []
    refused = set(found.traffic.refused)
    assert {"169.254.169.254", "10.0.0.1", "metadata.google.internal"} <= refused
    assert "root:" not in found.page.body.decode()


def test_a_page_that_leads_to_what_no_job_may_see_is_refused(
    visitor: Visitor, lab: Lab
) -> None:
    found = visitor.once(f"{lab.site}/redirect-to?url=http://169.254.169.254/x")
    steps = [{"do": "goto", "url": "http://169.254.169.254/x"}]
    gone = visitor.once(f"{lab.site}/whoami", steps=steps)

    assert isinstance(found.error, AddressRefused)
    assert isinstance(gone.error, AddressRefused)


@pytest.mark.parametrize("scheme", ["http", "direct"])
def test_webrtc_tells_nobody_the_workers_address(
    visitor_on: VisitorOn, lab: Lab, sink: list[bytes], scheme: str
) -> None:
    direct = Proxy("direct", "", 0)
    visitor = visitor_on(direct if scheme == "direct" else lab.proxies[0].line)
    place = f"127.0.0.1:{sink[0].decode()}"

    found = visitor.once(
        f"{lab.site}/trap/stun?place={place}",
        steps=[{"do": "wait", "text": "asked"}],
    )

    assert found.error is None
    assert "asked 0" in found.page.body.decode()
    assert sink[1:] == []


def test_a_service_worker_is_not_registered(visitor: Visitor, lab: Lab) -> None:
    found = visitor.once(
        f"{lab.site}/trap/worker", steps=[{"do": "wait", "text": "asked"}]
    )

    assert "asked none" in found.page.body.decode()


@pytest.mark.parametrize("unknown", [{"timezone": "Mars/Base"}, {"locale": "en-USA"}])
def test_what_the_browser_does_not_know_ends_the_job_and_no_browser(
    visitor_on: VisitorOn, lab: Lab, unknown: dict[str, Any]
) -> None:
    wrong, right = (visitor_on(lab.proxies[n].line) for n in range(2))
    right.once(f"{lab.site}/whoami")
    before = right.host.pids()[0]

    with pytest.raises(InvalidJob, match=f"{next(iter(unknown))}: "):
        wrong.visit(f"{lab.site}/whoami", **unknown)

    after = right.once(f"{lab.site}/whoami")
    assert (after.error, after.page.status) == (None, 200)
    assert right.host.pids()[0] == before
