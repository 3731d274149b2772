"""What may be done from a page: by people who are known, and never by accident.

Each action has a page that says what will happen and asks; only its form does it. The
form carries a token that other sites cannot know, under basic auth too, where a browser
sends the password along with whatever another site makes it send.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from flower.views import BaseHandler
from tornado.web import HTTPError, RequestHandler, authenticated

from limpet.errors import ConfigurationError, LimpetError, StoreUnavailable
from monitor.page import Page
from monitor.sources import Sources

#: Characters of a user's name that are kept.
_NAME: Final = 64
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be done: *verb* it is called by, and *text* what it will do.

    *field* asks for one more word, under that label. *do* takes the sources, the pool,
    the id and that word; what it raises is told to who asked for it.
    """

    verb: str
    text: str
    do: Callable[[Sources, str, str, str], None]
    field: str = ""
    grave: bool = False


def _close(sources: Sources, pool: str, session_id: str, _: str) -> None:
    if not sources.sessions(pool).close(session_id):
        raise ConfigurationError("there is no such session any more")


def _migrate(sources: Sources, pool: str, session_id: str, to: str) -> None:
    sources.sessions(pool).migrate(session_id, to)


def _mode(mode: str) -> Callable[[Sources, str, str, str], None]:
    def do(sources: Sources, pool: str, proxy_id: str, _: str) -> None:
        sources.set_mode(pool, proxy_id, mode)

    return do


def _probe(sources: Sources, pool: str, proxy_id: str, _: str) -> None:
    sources.probe(pool, proxy_id)


SESSION_DEEDS: Final[Mapping[str, Deed]] = {
    "close": Deed(
        "Close",
        "The session ends now, and what it carries is forgotten. The next job that "
        "names it starts a new one.",
        _close,
        grave=True,
    ),
    "migrate": Deed(
        "Migrate",
        "The session moves to another proxy, cookies and all. One in use cannot move.",
        _migrate,
        field="Id of the proxy to move to",
    ),
}
PROXY_DEEDS: Final[Mapping[str, Deed]] = {
    "drain": Deed(
        "Drain",
        "The proxy gets no new sessions; those it has stay.",
        _mode("draining"),
    ),
    "evacuate": Deed(
        "Evacuate",
        "Its sessions move to other proxies, those in use at their next use, and it "
        "gets no new ones. What has moved stays where it is.",
        _mode("evacuating"),
        grave=True,
    ),
    "disable": Deed(
        "Disable",
        "The proxy is used no more until it is enabled; its sessions move at their "
        "next use.",
        _mode("disabled"),
        grave=True,
    ),
    "probe": Deed(
        "Probe",
        "A worker fetches LIMPET_PROBE_URL through the proxy now, as its users would, "
        "and the result counts as theirs do. It is on the proxy's page in a moment.",
        _probe,
    ),
    "enable": Deed(
        "Enable",
        "The proxy is used again, whatever was asked of it before.",
        _mode(""),
    ),
}


class ActionPage(Page):
    """Asks whether to do something, and does it.

    Needs a login that is set up, whatever ``FLOWER_UNAUTHENTICATED_API`` says, and no
    read-only mode.
    """

    refresh = 0

    def initialize(
        self, sources: Sources, deeds: Mapping[str, Deed] | None = None, back: str = ""
    ) -> None:
        super().initialize(sources)
        self._deeds = deeds or {}
        self.tab = "sessions" if back == "session" else "proxies"
        self._back = back

    def prepare(self) -> None:
        options = self.application.options
        if options.read_only:
            raise HTTPError(HTTPStatus.FORBIDDEN, "Flower is in read-only mode")
        if not (options.basic_auth or options.auth):
            raise HTTPError(
                HTTPStatus.FORBIDDEN, "Actions need a login: set FLOWER_BASIC_AUTH"
            )

    def check_xsrf_cookie(self) -> None:
        BaseHandler.check_xsrf_cookie(self)
        # Flower leaves the token out under basic auth.
        RequestHandler.check_xsrf_cookie(self)

    @authenticated
    def get(self, name: str) -> None:
        deed = self._deed(name)
        self._ask(deed, trouble="")

    @authenticated
    async def post(self, name: str) -> None:
        deed = self._deed(name)
        pool, target = self.argument("pool"), self.argument("id")
        word = self.argument("word").strip()
        user = self.user()

        def do() -> None:
            if pool not in self.sources.pools():
                raise ConfigurationError("there is no such pool")
            deed.do(self.sources, pool, target, word)
            said = {"to": word} if deed.field else {}
            self.sources.note(pool, name, {self._back: target, "by": user, **said})

        try:
            await self.sources.reader.ask(do)
        except StoreUnavailable as error:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self._ask(deed, trouble=str(error))
            return
        except LimpetError as error:
            self.set_status(HTTPStatus.CONFLICT)
            self._ask(deed, trouble=str(error))
            return
        _log.info("action", action=name, user=user, pool=pool, **{self._back: target})
        self.redirect(self._address(), status=HTTPStatus.SEE_OTHER)

    def user(self) -> str:
        """Return who asks, by the name of the login."""
        if isinstance(self.current_user, str):
            return self.current_user[:_NAME]
        # Flower has checked it, and says no more of it than that.
        _, _, given = self.request.headers.get("Authorization", "").partition(" ")
        return b64decode(given).decode().partition(":")[0][:_NAME]

    def _address(self) -> str:
        where = {"pool": self.argument("pool"), "id": self.argument("id")}
        return f"{self.reverse_url(self._back)}?{urlencode(where)}"

    def _deed(self, name: str) -> Deed:
        if name not in self._deeds:
            raise HTTPError(HTTPStatus.NOT_FOUND, "There is no such action")
        return self._deeds[name]

    def _ask(self, deed: Deed, *, trouble: str) -> None:
        named: Any = {"pool": self.argument("pool"), "id": self.argument("id")}
        self.title = f"{deed.verb} {self._back} {named['id']}?"
        self.fill(
            "action.html",
            deed=deed,
            named=named,
            trouble=trouble,
            back=self._address(),
            word=self.argument("word"),
        )
