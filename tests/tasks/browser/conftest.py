"""A browser for the tests of a module, and pages in it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from limpet.errors import NoBrowser
from limpet.jobs import RenderJob
from limpet.settings import Settings
from proxies import Proxy, parse_proxy
from sessions import Lease
from sessions.state import SessionState
from tasks.browser.finding import find
from tasks.browser.host import Host
from tasks.browser.values import Rendered, Wish


def settings(folder: Path, **given: Any) -> Settings:
    """Settings of this test alone, with which the lab alone may be visited."""
    options = {"allow_private_hosts": "127.0.0.1", **given}
    return Settings(_env_file=None, state_dir=folder, **options)


@pytest.fixture(scope="session", autouse=True)
def _program() -> None:
    """Skip, or fail under CI, where there is no browser."""
    try:
        find(None)
    except NoBrowser as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One browser for a module, with short times and little that a page may bring."""
    made = Host(settings(tmp_path_factory.mktemp("host")))
    yield made
    made.close()


class Visitor:
    """A session that stands behind nothing: its pages, one after the other."""

    def __init__(self, host: Host, lease: Lease) -> None:
        self.host, self.lease = host, lease

    def visit(
        self,
        url: str,
        *,
        timeout: float = 20,
        step_timeout: float = 10,
        most: int = 20_000_000,
        user_agent: str = "limpet-test",
        **job: Any,
    ) -> Rendered:
        """Do a page; its context is held until `keep` or `drop`."""
        asked = RenderJob.parse((), {"url": url, **job})
        wish = Wish(asked, self.lease, user_agent, timeout, step_timeout, most)
        return self.host.visit(wish)

    def once(self, url: str, **job: Any) -> Rendered:
        """Do a page, and have done with it."""
        found = self.visit(url, **job)
        self.host.drop(found)
        return found

    def keep(self, found: Rendered) -> None:
        """Release the session as a job does, and keep its context."""
        version = self.lease.state.version + 1
        state = SessionState(
            version=version, cookies=found.cookies or [], origins=found.origins or []
        )
        self.lease = replace(self.lease, state=state)
        self.host.keep(found, self.lease, version)

    def take_along(self, found: Rendered) -> None:
        """Release the session as a job does, on another worker."""
        self.keep(found)
        state = self.lease.state
        self.lease = replace(
            self.lease, state=replace(state, version=state.version + 1)
        )


@pytest.fixture
def visitor_on(
    host: Host, lease_of: Callable[[Proxy], Lease]
) -> Callable[[Proxy | str], Visitor]:
    """Make a visitor who goes through a proxy."""

    def make(proxy: Proxy | str) -> Visitor:
        found = parse_proxy(proxy) if isinstance(proxy, str) else proxy
        return Visitor(host, lease_of(found))

    return make


@pytest.fixture
def visitor(visitor_on: Callable[..., Visitor], lab: Lab) -> Visitor:
    """A visitor through one of the lab's HTTP proxies, which wants a password."""
    return visitor_on(lab.proxies[0].line)


@pytest.fixture
def host_with(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a browser with settings of the test's own."""
    made: list[Host] = []

    def start(**given: Any) -> Host:
        made.append(Host(settings(tmp_path, **given)))
        return made[-1]

    yield start
    for one in made:
        one.close()


def body_of(text: bytes) -> Any:
    """Read the JSON that a browser shows."""
    return json.loads(text.decode().split("<pre>")[1].split("</pre>")[0])
