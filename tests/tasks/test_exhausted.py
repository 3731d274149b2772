"""A worker that is out of sockets blames nobody for it, and does not stay so."""

import gc
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from redis import Redis

from lab import Lab
from limpet.errors import WorkerExhausted
from proxies import Proxy, ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from sessions import Lease
from tasks.clients import Clients
from tasks.fetching import Fetcher as PageFetcher
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.hops import Hop, follow
from tasks.http import Fetcher
from tasks.page import Page
from tasks.retry import may_have_arrived

if TYPE_CHECKING:
    from tests.stack import Stack

LeaseOf = Callable[[Proxy], Lease]


@pytest.fixture(params=["fetcher", "browser"])
def either(request: pytest.FixtureRequest) -> PageFetcher:
    """Both fetchers of ours."""
    made: PageFetcher = request.getfixturevalue(request.param)
    return made


@contextmanager
def no_files() -> Iterator[None]:
    """Let this process open nothing more: neither a file nor a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    # What earlier tests have left is not to make room within.
    gc.collect()
    # The limit is of a file's number: room is made by what is closed below it.
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(256, highest + 1), hard))
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h", "direct"])
@pytest.mark.parametrize("target", ["http", "https"])
def test_out_of_sockets_is_nobody_s_fault(
    either: PageFetcher, lab: Lab, lease_of: LeaseOf, scheme: str, target: str
) -> None:
    proxy = Proxy("direct", "", 0)
    if scheme != "direct":
        proxy = Proxy(scheme, "127.0.0.1", lab.proxies[0].port, "u", "S3cret")
    lease = lease_of(proxy)
    request = Request(f"{target}://127.0.0.1:{lab.site_port}/whoami", timeout=20)

    with no_files(), pytest.raises(WorkerExhausted) as failure:
        either.fetch(lease, request)

    assert str(failure.value).startswith("this worker has no sockets")


def test_out_of_sockets_is_told_from_a_name_that_leads_nowhere(
    fetcher: Fetcher, lease_of: LeaseOf
) -> None:
    lease = lease_of(Proxy("http", "nowhere.invalid", 8080, "u", "S3cret"))

    with no_files(), pytest.raises(WorkerExhausted):
        fetcher.fetch(lease, Request("http://127.0.0.1:1/", timeout=20))


def test_idle_connections_are_closed_for_those_that_are_needed(
    either: PageFetcher, lab: Lab, lease_of: LeaseOf
) -> None:
    request = Request(f"{lab.site}/whoami", timeout=20)
    needed, *idle = (lease_of(parse_proxy(lab.proxies[0].line)) for _ in range(5))
    for lease in idle:
        either.fetch(lease, request)
        either.keep(lease, 0)

    with no_files():
        with pytest.raises(WorkerExhausted):
            either.fetch(needed, request)
        either.drop(needed)
        again = either.fetch(needed, request)

    assert again.status == 200


def test_what_was_redirected_before_may_have_arrived(lease_of: LeaseOf) -> None:
    sent: list[Hop] = []

    def send(hop: Hop) -> Page:
        sent.append(hop)
        if len(sent) > 1:
            raise WorkerExhausted("sockets")
        return Page(hop.url, 302, {"location": "/thanks"}, b"")

    def failure(url: str) -> WorkerExhausted:
        request = Request(url, method="POST", body=b"order")
        with pytest.raises(WorkerExhausted) as caught:
            follow(send, lease_of(Proxy("direct", "", 0)), request, Guard())
        return caught.value

    later, at_once = failure("http://shop.test/a"), failure("http://shop.test/b")

    assert may_have_arrived(later)
    assert not may_have_arrived(at_once)


def test_no_more_is_kept_than_the_worker_may_have_files(
    lease_of: LeaseOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    leases = [lease_of(Proxy("direct", "", 0)) for _ in range(20)]
    clients = Clients(lambda _: requests.Session())

    for lease in leases:
        clients.of(lease)
        clients.keep(lease, 0)

    assert clients.held == 8


def test_a_worker_with_few_files_serves_many_sessions(
    stack: "Stack", lab: Lab, redis: Redis
) -> None:
    pool = ProxyPool(ProxyStore(redis, "default"))
    records = [ProxyRecord(parse_proxy(proxy.line)) for proxy in lab.proxies]
    pool.publish(records)
    worker = stack.worker(LIMPET_WORKER_THREADS="4")
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (200, 200))
    app, url = stack.app(), f"{lab.site}/whoami"

    sent = [
        app.send_task("scrape", kwargs={"url": url, "session": f"s{n}"})
        for n in range(250)
    ]
    pages = [one.get(timeout=120) for one in sent]

    assert {page["tries"] for page in pages} == {1}
    assert {one.state for one in pool.status(records)} == {"healthy"}
    assert len(list(Path(f"/proc/{worker.pid}/fd").iterdir())) < 150


def test_a_worker_may_have_all_the_files_that_it_can(stack: "Stack") -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        worker = stack.worker()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    limits = Path(f"/proc/{worker.pid}/limits").read_text().splitlines()
    [files] = [line.split() for line in limits if line.startswith("Max open files")]
    assert int(files[3]) == min(hard, 65_536)
