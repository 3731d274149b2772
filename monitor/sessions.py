"""The Sessions tab: how many there are, how they did, and which they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlsplit

from tornado.web import authenticated

from history.point import Point
from history.query import Span
from limpet.errors import StoreUnavailable
from monitor.chart import Chart
from monitor.figures import Figures
from monitor.page import Page
from monitor.sources import Sources
from sessions import PoolStats, SessionInfo

#: Sessions on a page of the table, and found by one search.
ON_A_PAGE: Final = 25
_FOUND: Final = 100
_PLAIN: Final = "default"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader of the page has asked for."""

    pool: str
    span: Span
    search: str
    page: int
    last_first: bool

    @classmethod
    def of(cls, page: Page) -> Self:
        """Read it of the address; what makes no sense there is as if not said."""
        span = page.argument("span")
        return cls(
            pool=page.argument("pool"),
            span=Span(span) if span in set(Span) else Span.HOUR,
            search=page.argument("search").strip(),
            page=page.number("page"),
            last_first=page.argument("sort") == "last",
        )

    def query(self, **changed: object) -> dict[str, object]:
        """Return what an address has for it, with some of it *changed*."""
        said = {
            "pool": self.pool,
            "span": self.span.value,
            "search": self.search,
            "page": self.page,
            "sort": "last" if self.last_first else "first",
        }
        return {name: value for name, value in {**said, **changed}.items() if value}


@dataclass(frozen=True, slots=True)
class Line:
    """A session in the table; times are Unix seconds."""

    info: SessionInfo
    now: float

    @property
    def state(self) -> str:
        """What it does, in a word or two."""
        if self.info.leases:
            return "in use"
        if self.info.expires <= self.now:
            return "expired"
        return "pausing" if self.info.next_use > self.now else "idle"

    @property
    def idle(self) -> float | None:
        """Seconds since its last use; `None` where its end does not tell."""
        if self.info.leases:
            return 0.0
        if self.info.expires >= self.info.max_age_at:
            return None
        return max(0.0, self.now + self.info.idle_ttl - self.info.expires)

    @property
    def host(self) -> str:
        return urlsplit(self.info.last_url).hostname or ""


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the page shows.

    *hour* is the last hour in one point, *minute* the last of its points. *chart* is
    `None` where there is too little to draw, and *trouble* says why there is none.
    *total* counts what the table goes through; a search that is not *complete* has
    found more.
    """

    wish: Wish
    pools: Sequence[str]
    stats: PoolStats | None
    hour: Point | None
    minute: Point | None
    chart: Chart | None
    trouble: str
    lines: Sequence[Line]
    total: int
    complete: bool

    @property
    def now(self) -> float:
        return self.stats.at_ms / 1000 if self.stats else 0.0

    @property
    def requests(self) -> float | None:
        """Requests a minute, lately."""
        if self.minute is None or not self.minute.seconds:
            return None
        return self.minute.requests * 60 / self.minute.seconds

    @property
    def pages(self) -> int:
        if self.wish.search:
            return 1
        return max(1, -(-self.total // ON_A_PAGE))


def chosen(wished: str, pools: Sequence[str]) -> str:
    """Return the pool to show: the one wished for, else the plain one, else any."""
    for one in (wished, _PLAIN, *pools):
        if one in pools:
            return one
    return ""


def look(sources: Sources, wish: Wish) -> Sessions:
    """Find out what the page shows.

    Raises:
        StoreUnavailable: the session Redis is away.
    """
    pools = sources.pools()
    pool = chosen(wish.pool, pools)
    wish = replace(wish, pool=pool)
    if not pool:
        return Sessions(wish, pools, None, None, None, None, "", [], 0, complete=True)
    stats = sources.sessions(pool).stats()
    now = stats.at_ms / 1000
    infos, total, complete = _table(sources, wish)
    figures, trouble = _figures(sources, wish)
    points = () if trouble else figures.points
    return Sessions(
        wish=wish,
        pools=pools,
        stats=stats,
        hour=figures.hour,
        minute=figures.minute,
        chart=Chart.of(points, wish.span, now),
        trouble=trouble,
        lines=[Line(one, now) for one in infos],
        total=total,
        complete=complete,
    )


def _table(sources: Sources, wish: Wish) -> tuple[Sequence[SessionInfo], int, bool]:
    sessions = sources.sessions(wish.pool)
    if not wish.search:
        start = (wish.page - 1) * ON_A_PAGE
        total, infos = sessions.page(start, ON_A_PAGE, last_first=wish.last_first)
        return infos, total, True
    found, complete = sessions.find(wish.search, _FOUND)
    ordered = sorted(found, key=lambda one: one.expires, reverse=wish.last_first)
    return ordered, len(ordered), complete


def _figures(sources: Sources, wish: Wish) -> tuple[Figures, str]:
    """Return the figures of the span, or of the hour and why those cannot be had."""
    history, read = sources.history(), sources.figures.read
    trouble = "" if wish.span is Span.HOUR else sources.sql_trouble()
    if not trouble:
        try:
            return read(history, wish.pool, wish.span), ""
        except StoreUnavailable as error:
            if wish.span is Span.HOUR:
                raise
            trouble = str(error)
    return read(history, wish.pool, Span.HOUR), trouble


class SessionsPage(Page):
    """Cards, a chart, and the sessions of one pool."""

    tab = "sessions"
    title = "Sessions"

    @authenticated
    async def get(self) -> None:
        wish = Wish.of(self)
        await self.show("sessions.html", lambda: look(self.sources, wish), spans=Span)
