"""The Sessions tab: how many there are, how they did, and which they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, Self

from tornado.web import authenticated

from history.point import Point
from history.query import Span
from limpet.errors import StoreUnavailable
from monitor.chart import Chart
from monitor.figures import Figures
from monitor.line import Line, Row, address
from monitor.page import Page
from monitor.sources import Sources
from sessions import SessionManager
from sessions.info import Listing, Search

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
    cursor: int
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
            cursor=page.number("cursor", least=0),
            page=page.number("page"),
            last_first=page.argument("sort") == "last",
        )

    def query(self, **changed: object) -> dict[str, object]:
        """Return what an address has for it, with some of it *changed*."""
        said = {
            "pool": self.pool,
            "span": self.span.value,
            "search": self.search,
            "cursor": self.cursor,
            "page": self.page,
            "sort": "last" if self.last_first else "first",
        }
        return {name: value for name, value in {**said, **changed}.items() if value}


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the page shows.

    *listing* counts all sessions; it is `None` where there is no pool.
    *hour* is the last hour in one point, *minute* the last of its points. *chart* is
    `None` where there is too little to draw, and *trouble* says why there is none.
    *total* counts what the table goes through. A search that is not *complete* may find
    more, from *cursor* on if that is not 0.
    """

    wish: Wish
    pools: Sequence[str] = ()
    listing: Listing | None = None
    hour: Point | None = None
    minute: Point | None = None
    chart: Chart | None = None
    trouble: str = ""
    lines: Sequence[Line] = ()
    total: int = 0
    complete: bool = True
    cursor: int = 0

    @property
    def now(self) -> dict[str, str]:
        """What changes all the time, in words."""
        if self.listing is None:
            return {}
        waiting = self.listing.waiting
        return {
            "active": f"{max(0, self.listing.sessions - waiting):,}",
            "used": f"{self.listing.leases:,} in use now",
            "waiting": f"{waiting:,}",
            "total": f"{self.total:,} sessions",
            "pages": f"{self.pages:,}",
        }

    @property
    def rows(self) -> list[Row]:
        """The table."""
        return [line.row() for line in self.lines]

    def links(self, own: str, home: str) -> dict[str, str]:
        """Return what links of the table begin with, before an id.

        *own* and *home* are the pages of a session and of a proxy.
        """
        pool = self.wish.pool
        return {"own": address(own, pool), "home": address(home, pool)}

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
    view = live(sources, replace(wish, pool=chosen(wish.pool, pools)))
    view = replace(view, pools=pools)
    if view.listing is None:
        return view
    figures, trouble = _figures(sources, view.wish)
    points = () if trouble else figures.points
    return replace(
        view,
        hour=figures.hour,
        minute=figures.minute,
        chart=Chart.of(points, wish.span, view.listing.at),
        trouble=trouble,
    )


def live(sources: Sources, wish: Wish) -> Sessions:
    """Find out what changes all the time: of one pool, and without its history.

    Snapshots are taken once a minute, and to sum up an hour of them costs most.
    """
    if not wish.pool or not sources.knows(wish.pool):
        return Sessions(wish)
    sessions = sources.sessions(wish.pool)
    # A search looks elsewhere, and wants nothing but how many there are.
    start, most = (0, 0) if wish.search else (wish.page * ON_A_PAGE, ON_A_PAGE)
    listing = sessions.page(start - most, most, last_first=wish.last_first)
    found = Search(listing.infos, complete=True, cursor=0)
    if wish.search:
        found = _search(sessions, wish)
    return Sessions(
        wish,
        listing=listing,
        lines=[Line(one, listing.at) for one in found.infos],
        total=len(found.infos) if wish.search else listing.sessions,
        complete=found.complete,
        cursor=found.cursor,
    )


def _search(sessions: SessionManager, wish: Wish) -> Search:
    found = sessions.find(wish.search, _FOUND, wish.cursor)
    expires = attrgetter("expires")
    ordered = sorted(found.infos, key=expires, reverse=wish.last_first)
    return replace(found, infos=ordered)


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


class SessionsData(Page):
    """What an open page asks for again and again, as JSON: two cards and the table."""

    @authenticated
    async def get(self) -> None:
        wish = Wish.of(self)
        own, home = self.reverse_url("session"), self.reverse_url("proxy")

        def told() -> dict[str, object]:
            view = live(self.sources, wish)
            return {
                "now": view.now,
                "links": view.links(own, home),
                "rows": view.rows,
                "pages": view.pages,
            }

        await self.tell(told)
