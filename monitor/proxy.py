"""A proxy's own page: how it does, what befell it, and whose it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tornado.web import authenticated

from limpet.errors import ConfigurationError
from monitor.line import Line
from monitor.page import Page
from monitor.proxies import STATES
from monitor.session import Event
from monitor.sources import Sources
from proxies import ProxyStatus

#: Sessions and events that are shown, and sessions looked at for those of the proxy.
_SESSIONS: Final = 50
_LOOKS: Final = 20_000
_EVENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Portrait:
    """What the page shows; there may be more sessions unless they are *complete*.

    *bans* are domains that block it, and until when.
    """

    pool: str
    status: ProxyStatus
    lines: Sequence[Line]
    complete: bool
    events: Sequence[Event]
    bans: Sequence[tuple[str, float]]
    now: float


def portrait(sources: Sources, pool: str, proxy_id: str) -> Portrait | None:
    """Find out all about a proxy, `None` if there is none such.

    Raises:
        StoreUnavailable: the session Redis is away.
        ConfigurationError: the inventory cannot be read.
    """
    if pool not in sources.pools():
        return None
    trouble = "" if sources.direct(pool) else sources.sql_trouble()
    if trouble:
        raise ConfigurationError(
            f"The inventory cannot be read: {trouble}",
            "python manage.py migrate makes its tables",
        )
    record = sources.record(pool, proxy_id)
    if record is None:
        return None
    [status] = sources.proxies(pool).status([record])
    sessions = sources.sessions(pool)
    infos, complete = sessions.of_proxy(proxy_id, _SESSIONS, looks=_LOOKS)
    now = sessions.stats().at_ms / 1000
    return Portrait(
        pool=pool,
        status=status,
        lines=[Line(one, now) for one in infos],
        complete=complete,
        events=[
            Event.of(one) for one in sources.proxy_events(pool, proxy_id)[:_EVENTS]
        ],
        bans=sources.bans(pool, proxy_id),
        now=now,
    )


class ProxyPage(Page):
    """One proxy."""

    tab = "proxies"
    title = "Proxy"
    absent = "There is no such proxy"
    #: No index says which sessions are whose: finding them costs most.
    refresh = 15

    @authenticated
    async def get(self) -> None:
        pool, proxy = self.argument("pool"), self.argument("id")
        await self.show(
            "proxy.html",
            lambda: portrait(self.sources, pool, proxy),
            colours=STATES,
        )
