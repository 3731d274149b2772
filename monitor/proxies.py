"""The Proxies tab: how they are, which they are, and how sessions are spread."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import Final, NamedTuple

from tornado.web import authenticated

from limpet.errors import LimpetError, StoreUnavailable
from monitor.page import Page
from monitor.sessions import chosen
from monitor.sources import Sources
from proxies import ProxyRecord, ProxyStatus

#: Proxies on a page of the table.
ON_A_PAGE: Final = 25
#: Usable and cooling proxies that are looked at, of each: all of most pools.
_SAMPLE: Final = 1000
#: Bars of the small chart.
_BARS: Final = 12
#: States and modes in the order of the strip, from the best, and their colours.
STATES: Final = {
    "healthy": "success",
    "unknown": "info",
    "degraded": "warning",
    "unhealthy": "danger",
    "dead": "danger",
    "damaged": "danger",
    "draining": "secondary",
    "evacuating": "secondary",
    "disabled": "secondary",
    "expired": "secondary",
    "unpublished": "secondary",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """How many proxies have from *low* to *high* sessions; *share* is of the most."""

    low: int
    high: int
    proxies: int
    share: float

    @property
    def words(self) -> str:
        """How many sessions, as people say it."""
        return f"{self.low:,}" + (f"-{self.high:,}" if self.high > self.low else "")

    @property
    def text(self) -> str:
        return f"{self.words} sessions: {self.proxies:,} proxies"


class Share(NamedTuple):
    """A part of the strip: where it begins and how wide it is, of 100."""

    name: str
    start: float
    width: float


def bars(loads: Sequence[int]) -> list[Bar]:
    """Part *loads*, sessions on each proxy, into a few bars of the same width."""
    if not loads:
        return []
    lowest, highest = min(loads), max(loads)
    width = max(1, ceil((highest - lowest + 1) / _BARS))
    counts = [0] * ((highest - lowest) // width + 1)
    for load in loads:
        counts[(load - lowest) // width] += 1
    return [
        Bar(
            low=lowest + place * width,
            high=lowest + place * width + width - 1,
            proxies=count,
            share=round(count / max(counts), 3),
        )
        for place, count in enumerate(counts)
    ]


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the page shows.

    *states* counts proxies by state, and by mode those that are told to rest; *up* of
    them may be chosen, *sampled* of which are in the *bars*. *trouble* says why the
    inventory cannot be read, or what is wrong with a row of it if it is *readable*.
    """

    pool: str
    pools: Sequence[str]
    search: str
    page: int
    states: Sequence[tuple[str, int]]
    up: int
    sampled: int
    bars: Sequence[Bar]
    skew: float
    rows: Sequence[ProxyStatus]
    total: int
    trouble: str
    readable: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // ON_A_PAGE))

    @property
    def shares(self) -> list[Share]:
        """The strip, whose parts are as wide as there are proxies."""
        whole = sum(count for _, count in self.states)
        widths = [100 * count / whole for _, count in self.states]
        starts = accumulate(widths, initial=0.0)
        names = (name for name, _ in self.states)
        parts = zip(names, starts, widths, strict=False)
        return [Share(one, round(at, 2), round(wide, 2)) for one, at, wide in parts]


def look(sources: Sources, wished: str, *, search: str = "", page: int = 1) -> Proxies:
    """Find out what the page shows.

    Raises:
        StoreUnavailable: the session Redis is away.
    """
    pools = sources.pools()
    pool = chosen(wished, pools)
    if not pool:
        return Proxies("", pools, search, page, (), 0, 0, (), 0.0, (), 0, "")
    proxies = sources.proxies(pool)
    census = proxies.census(_SAMPLE)
    counts = {**census.states, "damaged": census.damaged}
    records: Sequence[ProxyRecord] = ()
    total, readable = 0, False
    trouble = "" if sources.direct(pool) else sources.sql_trouble()
    if not trouble:
        try:
            total, records = sources.inventory(
                pool, start=(page - 1) * ON_A_PAGE, most=ON_A_PAGE, search=search
            )
            counts |= {} if sources.direct(pool) else sources.modes(pool)
        except StoreUnavailable as error:
            trouble = str(error)
        except LimpetError as error:
            trouble, readable = str(error), True
    rows = proxies.status(records)
    if sources.direct(pool):  # no inventory says what was asked of it
        counts = Counter(one.mode or one.state for one in rows)
    return Proxies(
        pool=pool,
        pools=pools,
        search=search,
        page=page,
        states=[(name, counts[name]) for name in STATES if counts.get(name)],
        up=census.usable,
        sampled=len(census.loads),
        bars=bars(census.loads),
        skew=census.sessions_skew,
        rows=rows,
        total=total,
        trouble=trouble,
        readable=readable,
    )


class ProxiesPage(Page):
    """The proxies of one pool, without what they are reached with."""

    tab = "proxies"
    title = "Proxies"

    @authenticated
    async def get(self) -> None:
        pool, search = self.argument("pool"), self.argument("search").strip()
        page = self.number("page")
        await self.show(
            "proxies.html",
            lambda: look(self.sources, pool, search=search, page=page),
            colours=STATES,
        )
