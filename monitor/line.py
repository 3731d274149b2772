"""A session as a line of a table, in words."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from monitor import words
from sessions import SessionInfo

#: What stands where there is nothing to say.
NOTHING: Final = "—"
#: What the cells of a line say, and when it ends.
Row = dict[str, str | float]
#: The host of a URL. A URL of ours has nothing that would need a real parser, which
#: costs as much as all the rest of a line.
_HOST: Final = re.compile(r"\w+://(?:[^/?#]*@)?+(?:\[([^]/]+)]|([^][/?#:\s]+))").match
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
        found = _HOST(self.info.last_url)
        return (found[1] or found[2]).lower() if found else NOTHING

    def row(self) -> Row:
        """Return what each cell says."""
        info, state = self.info, self.state
        colour = _COLOURS.get(state, "secondary")
        row: Row = {"session": info.session, "state": state, "colour": colour}
        if info.damaged:
            return {**dict.fromkeys(_CELLS, NOTHING), **row, "at": 0}
        idle, most = self.idle, info.max_leases
        row["proxy"] = info.proxy
        row["generation"] = str(info.generation)
        row["requests"] = _of(info.requests, info.max_requests)
        row["leases"] = _of(info.leases, most if most > 1 else 0)
        row["idle"] = NOTHING if idle is None else words.span(idle)
        row["expires"] = words.ago(info.expires, self.now)
        row["at"] = info.expires
        row["host"] = self.host
        return row


_CELLS: Final = (
    *("proxy", "generation", "requests", "leases", "idle", "expires", "host"),
)


def address(page: str, pool: str) -> str:
    """Return what links to one thing of *pool* begin with: only its id is missing."""
    return f"{page}?{urlencode({'pool': pool})}&id="


def _of(number: int, most: int) -> str:
    return f"{number:,} / {most:,}" if most else f"{number:,}"
