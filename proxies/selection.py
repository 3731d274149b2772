"""Which proxies a session may have, and how one of them is chosen."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from limpet.errors import InvalidSelection

_LABEL: Final = re.compile(r"^[a-z]{1,16}:[A-Za-z0-9_.-]{1,64}$")
_STRATEGY: Final = re.compile(r"^[a-z][a-z0-9_]{0,31}$")
_PROXY: Final = re.compile(r"^[0-9a-f]{10}$")
_OTHER: Final = re.compile(r"[^A-Za-z0-9_.-]")
#: More would make a choice slow; who excludes more wants a filter.
MAX_EXCLUDED: Final = 16


def label(kind: str, value: object) -> str:
    """Return how a proxy's property is written in a filter: ``country:US``.

    Only a country keeps its capitals; what may not stand in a key becomes ``_``.
    """
    text = str(value).strip()
    text = text.upper() if kind == "country" else text.lower()
    return f"{kind}:{_OTHER.sub('_', text)[:64]}"


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter, a strategy, and what to do when that finds none.

    *where* holds labels that the proxy must all have (see `label`); *exclude* holds up
    to 16 ids of proxies that it may not be, whether it is chosen or already bound.
    """

    strategy: str = "round_robin"
    where: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fallback: "Selection | None" = None
    #: ``filter:strategy``, and after a comma that of the fallback. Made once, since
    #: each acquire sends it.
    plan: str = field(init=False, repr=False, compare=False)
    #: The names of all strategies in it.
    strategies: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for text in self.where:
            _check(_LABEL, text, "where", "a label such as country:US or tag:mobile")
        for text in self.exclude:
            _check(_PROXY, text, "exclude", "the id of a proxy, ten hex digits")
        _check(_STRATEGY, self.strategy, "strategy", "the name of a strategy")
        if len(self.exclude) > MAX_EXCLUDED:
            raise InvalidSelection("exclude", f"at most {MAX_EXCLUDED} proxies")
        plan = f"{'&'.join(sorted(set(self.where))) or 'all'}:{self.strategy}"
        strategies = frozenset((self.strategy,))
        if self.fallback:
            plan = f"{plan},{self.fallback.plan}"
            strategies |= self.fallback.strategies
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "strategies", strategies)


def _check(allowed: re.Pattern[str], text: object, field: str, wanted: str) -> None:
    if not isinstance(text, str) or not allowed.fullmatch(text):
        raise InvalidSelection(field, wanted)


def where(
    *,
    country: str = "",
    region: str = "",
    city: str = "",
    asn: int | None = None,
    provider: str = "",
    tags: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return the labels that stand for these properties of a proxy, sorted."""
    known = {
        "country": country,
        "region": region,
        "city": city,
        "asn": asn or "",
        "provider": provider,
    }
    found = [label(kind, value) for kind, value in known.items() if value]
    return tuple(sorted((*found, *(label("tag", tag) for tag in tags))))
