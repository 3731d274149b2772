"""A session as a line of a table, in words."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

from monitor import words
from sessions import SessionInfo

#: What stands where there is nothing to say.
NOTHING: Final = "—"
#: What the cells of a line say, where they lead, and when it ends.
Row = dict[str, str | float]
_COLOURS: Final = {"in use": "primary", "expired": "warning", "damaged": "danger"}


@dataclass(frozen=True, slots=True)
class Line:
    """A session in a table; *now* is in Unix seconds, as its times are."""

    info: SessionInfo
    now: float

    @property
    def state(self) -> str:
        """What it does, in a word or two."""
        if self.info.damaged:
            return "damaged"
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
        if self.info.damaged or self.info.expires >= self.info.max_age_at:
            return None
        return max(0.0, self.now + self.info.idle_ttl - self.info.expires)

    @property
    def host(self) -> str:
        try:
            return urlsplit(self.info.last_url).hostname or NOTHING
        except ValueError:
            return NOTHING

    def row(self, own: str, home: str) -> Row:
        """Return what each cell says; *own* and *home* are what links begin with."""
        info, state, idle = self.info, self.state, self.idle
        row: Row = {
            "session": info.session,
            "own": f"{own}{quote_plus(info.session)}",
            "state": state,
            "colour": _COLOURS.get(state, "secondary"),
        }
        if info.damaged:
            return {**dict.fromkeys(_CELLS, NOTHING), **row, "home": "", "at": 0}
        return {
            **row,
            "proxy": info.proxy,
            "home": f"{home}{quote_plus(info.proxy)}",
            "generation": str(info.generation),
            "requests": _of(info.requests, info.max_requests),
            "leases": _of(info.leases, info.max_leases if info.max_leases > 1 else 0),
            "idle": NOTHING if idle is None else words.span(idle),
            "expires": words.ago(info.expires, self.now),
            "at": info.expires,
            "host": self.host,
        }


_CELLS: Final = (
    *("proxy", "generation", "requests", "leases", "idle", "expires", "host"),
)


def address(page: str, pool: str) -> str:
    """Return what links to one thing of *pool* begin with: only its id is missing."""
    return f"{page}?{urlencode({'pool': pool})}&id="


def _of(number: int, most: int) -> str:
    return f"{number:,} / {most:,}" if most else f"{number:,}"
