"""A session's own page: what it is bound to, what befell it, and what it carries."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from tornado.web import authenticated

from limpet.errors import ConfigurationError, StateUnreadable
from limpet.showing import place
from monitor.line import Line
from monitor.page import Page
from monitor.sources import Sources
from sessions import SessionManager
from sessions.state import SessionState

#: Events that are shown, and characters of one value of the metadata.
_EVENTS: Final = 100
_VALUE: Final = 200
#: Fields of an event that have places of their own.
_KNOWN: Final = frozenset({"at", "event", "session", "sessions"})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that befell the session *at* a time (Unix seconds)."""

    at: float
    name: str
    details: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        details = [(one, str(row[one])) for one in row if one not in _KNOWN]
        return cls(int(row["at"]) / 1000, str(row.get("event", "")), details)

    @property
    def grave(self) -> bool:
        """Whether it lost its proxy, or its life."""
        return self.name in {"failover", "lost", "session_lost", "closed"}


@dataclass(frozen=True, slots=True)
class Carried:
    """What a session carries: names, and no value that may be a secret.

    *cookies* are names by domain; *metadata* has values too where a setting says so,
    unless states are sealed: whoever seals them wants nobody to read them here.
    *trouble* says why nothing of it can be told.
    """

    cookies: Mapping[str, Sequence[str]]
    headers: Sequence[str]
    origins: int
    user_agent: str
    metadata: Mapping[str, str]
    trouble: str = ""

    @classmethod
    def of(cls, state: SessionState, *, open_: bool) -> Self:
        cookies: dict[str, list[str]] = {}
        for one in state.cookies:
            domain = str(one.get("domain", "")).lstrip(".")
            cookies.setdefault(domain, []).append(str(one.get("name", "")))
        return cls(
            cookies={
                domain: sorted(names) for domain, names in sorted(cookies.items())
            },
            headers=sorted(state.headers),
            origins=len(state.origins),
            user_agent=state.user_agent,
            metadata={
                name: _short(value) if open_ else ""
                for name, value in sorted(state.metadata.items())
            },
        )

    @classmethod
    def nothing(cls, trouble: str) -> Self:
        return cls({}, (), 0, "", {}, trouble)


@dataclass(frozen=True, slots=True)
class Portrait:
    """What the page shows; *line* is `None` of a session that has ended."""

    pool: str
    session: str
    line: Line | None
    events: Sequence[Event]
    carried: Carried
    last_url: str


def portrait(sources: Sources, pool: str, session_id: str) -> Portrait | None:
    """Find out all about a session, `None` where nothing is known of it.

    Raises:
        StoreUnavailable: the session Redis is away.
    """
    if pool not in sources.pools():
        return None
    sessions = sources.sessions(pool)
    info, now = sessions.get(session_id), sessions.stats().at_ms / 1000
    events = sources.trail(pool).of(session_id)[:_EVENTS]
    if info is None and not events:
        return None
    config = sources.settings
    open_ = config.show_metadata and not config.state_keys
    return Portrait(
        pool=pool,
        session=session_id,
        line=Line(info, now) if info else None,
        events=[Event.of(one) for one in events],
        carried=Carried.nothing("it is damaged")
        if info and info.damaged
        else _carried(sessions, session_id, open_=open_),
        last_url=place(info.last_url, config.show_urls) if info else "",
    )


def _carried(sessions: SessionManager, session_id: str, *, open_: bool) -> Carried:
    try:
        state = sessions.state(session_id)
    except (ConfigurationError, StateUnreadable) as error:
        return Carried.nothing(str(error))
    return Carried.of(state or SessionState(), open_=open_)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"


class SessionPage(Page):
    """One session, or what is left of it."""

    tab = "sessions"
    title = "Session"
    absent = "There is no such session, and nothing is known of one"

    @authenticated
    async def get(self) -> None:
        pool, session = self.argument("pool"), self.argument("id")
        await self.show("session.html", lambda: portrait(self.sources, pool, session))
