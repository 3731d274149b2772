"""Names that are looked up here: one that hangs holds up and blames nobody else."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from lab import Lab
from limpet.errors import Blame, FetchError, LimpetError, WorkerExhausted
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks import resolver
from tasks.fetching import Fetcher as PageFetcher
from tasks.fetching import Request
from tasks.resolver import Resolver

LeaseOf = Callable[[Proxy], Lease]


class NameServer:
    """The machine's own, but for names in ``.hang.test``, and counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = threading.Event()
        self._usual = socket.getaddrinfo

    def __call__(self, host: str, *rest: Any, **more: Any) -> Any:
        if more.get("flags") == socket.AI_NUMERICHOST:
            return self._usual(host, *rest, **more)
        self.asked.append(host)
        if host.endswith(".hang.test"):
            self.open.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")
        place = "127.0.0.1" if host.endswith(".here.test") else host
        return self._usual(place, *rest, **more)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    for one in (resolver.proxies, resolver.sites):
        one.cache_clear()
    yield made
    made.open.set()
    for one in (resolver.proxies, resolver.sites):
        one.cache_clear()


@pytest.fixture(params=["fetcher", "browser"])
def either(request: pytest.FixtureRequest) -> PageFetcher:
    """Both fetchers of ours."""
    made: PageFetcher = request.getfixturevalue(request.param)
    return made


def test_a_site_s_name_that_hangs_is_not_the_proxy_s_fault(
    either: PageFetcher, names: NameServer, lab: Lab, lease_of: LeaseOf
) -> None:
    lease = lease_of(Proxy("socks5", "127.0.0.1", lab.proxies[1].port, "u", "pw"))

    for host in ("x.hang.test", "nowhere.invalid"):
        with pytest.raises(FetchError) as failure:
            either.fetch(lease, Request(f"http://{host}/", timeout=1))
        assert (failure.value.blame, failure.value.kind) == (Blame.TARGET, "connect")

    assert names.asked == ["x.hang.test", "nowhere.invalid"]


def test_names_that_hang_hold_up_no_fetch_without_a_name_of_its_own(
    either: PageFetcher, names: NameServer, lab: Lab, lease_of: LeaseOf
) -> None:
    socks = Proxy("socks5", "127.0.0.1", lab.proxies[1].port, "u", "pw")
    good = parse_proxy(lab.proxies[0].line)
    named = Proxy("http", "localhost", good.port, good.username, good.password)

    def hang(number: int) -> None:
        url = f"http://x{number}.hang.test/"
        with suppress(LimpetError):
            either.fetch(lease_of(socks), Request(url, timeout=20))

    with ThreadPoolExecutor(40) as threads:
        for number in range(40):
            threads.submit(hang, number)
        pages = [
            either.fetch(lease_of(one), Request(f"{lab.site}/whoami", timeout=10))
            for one in (good, named)
        ]
        names.open.set()

    assert [page.status for page in pages] == [200, 200]


def test_waiting_for_one_s_turn_is_nobody_s_fault(names: NameServer) -> None:
    crowded = Resolver("test", threads=1)

    with pytest.raises(TimeoutError):
        crowded.find("a.hang.test", 80, within=0.1)
    with pytest.raises(WorkerExhausted, match="threads for looking up names"):
        crowded.find("b.hang.test", 80, within=0.1)

    assert names.asked == ["a.hang.test"]


def test_one_name_is_looked_up_once_at_a_time(names: NameServer) -> None:
    free = Resolver("test", threads=4)

    for _ in range(3):
        with pytest.raises(TimeoutError):
            free.find("a.hang.test", 80, within=0.1)
    found = free.find("gate.here.test", 80, within=10)

    assert found[0][4] == ("127.0.0.1", 80)
    assert names.asked == ["a.hang.test", "gate.here.test"]


def test_a_proxy_s_addresses_are_kept_until_nobody_answers_there(
    names: NameServer,
) -> None:
    keeping, asking = Resolver("a", threads=1, good_for=60), Resolver("b", threads=1)

    for _ in range(2):
        keeping.find("gate.here.test", 80, within=10)
    kept = len(names.asked)
    keeping.forget("gate.here.test", 80)
    keeping.find("gate.here.test", 80, within=10)
    for _ in range(2):
        asking.find("gate.here.test", 80, within=10)

    assert (kept, len(names.asked)) == (1, 4)


def test_an_address_is_not_looked_up(names: NameServer) -> None:
    for address in ("127.0.0.1", "::1"):
        found = Resolver("test", threads=1).find(address, 80, within=0.1)
        assert found[0][4][:2] == (address, 80)

    assert names.asked == []
