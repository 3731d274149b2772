"""What a fetch is asked for, and who does it.

A fetcher is chosen by ``LIMPET_FETCHER``: one of ours, or one that an installed package
offers in the entry point group ``limpet.fetchers``, a callable that takes the settings
and returns a `Fetcher`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, cast

from requests import PreparedRequest
from requests.exceptions import RequestException

from limpet.errors import ConfigurationError
from limpet.jobs import BlockRules, normal_url
from limpet.jobs.headers import sendable
from limpet.settings import Settings
from sessions import Lease
from tasks.page import Page

GROUP: Final = "limpet.fetchers"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Ours, by module: an application that is not installed has no entry points.
_OWN: Final = {"requests": "tasks.http", "curl": "tasks.curl"}


@dataclass(frozen=True)
class Request:
    """One fetch.

    *params* are added to the query. *timeout* is in seconds and covers all: look-up,
    dial, proxy, TLS, redirects, headers and body. *max_bytes* bounds the decoded body,
    what is beyond is cut off. Without *follow* a redirect is the page; *allow* raises
    for a URL that none may lead to. *blocks* adds to what is taken for a block, or
    takes from it.

    Raises:
        ValueError: it cannot be sent; the text has no value of it.
    """

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = ""
    timeout: float = 30.0
    max_bytes: int = 1024 * 1024
    follow: bool = True
    max_redirects: int = 10
    blocks: BlockRules | None = None
    allow: Callable[[str], object] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: must be one of {', '.join(sorted(METHODS))}")
        sendable(self.headers)
        sendable({"content-type": self.content_type})

    @cached_property
    def address(self) -> str:
        """The URL as it is sent, with its *params*.

        Raises:
            ValueError: it is none.
        """
        return as_sent(self.url, self.params)


def as_sent(url: str, params: Sequence[tuple[str, str]] = ()) -> str:
    """Return *url* in its normal form, with *params* in its query.

    Raises:
        ValueError: it is none.
    """
    try:
        if not params:
            return normal_url(url)
        prepared = PreparedRequest()
        prepared.prepare_url(url, list(params))
    except RequestException:
        raise ValueError("url: must be one that can be fetched") from None
    return prepared.url or ""


class Fetcher(Protocol):
    """Fetches pages, each through the proxy of its lease. Thread-safe.

    What it keeps between fetches of a session (connections, cookies) belongs to the
    lease until `keep` or `drop`.
    """

    def fetch(self, lease: Lease, request: Request) -> Page:
        """Fetch, within the request's timeout.

        Raises:
            FetchError: it could not be fetched. Its text has no URL or credential.
            WorkerExhausted: this worker has no socket for it.
            AddressRefused: the URL, or where it redirects to, is not for jobs.
        """

    def cookies(self, lease: Lease) -> list[dict[str, Any]]:
        """Return the session's cookies as they are now, in Playwright's shape."""

    def keep(self, lease: Lease, version: int) -> None:
        """Keep what there is for the session's next lease; its state got *version*."""

    def drop(self, lease: Lease) -> None:
        """Let go of what there is: how it stands is not known."""


def fetcher_of(settings: Settings) -> Fetcher:
    """Make the fetcher that ``LIMPET_FETCHER`` names.

    Raises:
        ConfigurationError: there is no such fetcher, or it lacks a package.
    """
    name = settings.fetcher
    if module := _OWN.get(name):
        try:
            made: Callable[[Settings], Fetcher] = import_module(module).fetcher_of
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"LIMPET_FETCHER: {name} needs a package that is not installed: "
                f"{error.name} (the extra {name!r} brings it)"
            ) from None
        return made(settings)
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        known = ", ".join(sorted({*_OWN, *offered}))
        raise ConfigurationError(
            f"LIMPET_FETCHER: there is no fetcher {name!r} (there are: {known})"
        )
    return cast("Fetcher", offered[name].load()(settings))
