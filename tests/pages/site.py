"""Flower's application with our tabs, in this process."""

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import celery
from flower import command, urls
from flower.app import Flower
from flower.events import Events
from lxml import html
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop
from tornado.options import options
from tornado.testing import AsyncHTTPTestCase
from tornado.web import RequestHandler

from limpet.settings import Settings
from monitor.install import tabs
from monitor.overlay import Overlay
from monitor.shield import shield

#: Importing it is what defines Flower's options.
assert command
USER = "ada:pw"


def login(user: str = USER) -> dict[str, str]:
    """Return the header that a browser sends for *user*."""
    return {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


class Seen:
    """A page that was answered."""

    def __init__(self, answer: HTTPResponse) -> None:
        self.status = answer.code
        self.headers = answer.headers
        self.text = answer.body.decode() if answer.body else ""

    @property
    def words(self) -> str:
        """What a person reads of it, with single blanks."""
        [body] = html.fromstring(self.text).xpath("//main")
        return re.sub(r"\s+", " ", body.text_content()).strip()

    def find(self, xpath: str) -> list[Any]:
        found: list[Any] = html.fromstring(self.text).xpath(xpath)
        return found

    def rows(self, table: str) -> list[list[str]]:
        """Return the texts of the cells of the table with that id."""
        return [
            [re.sub(r"\s+", " ", cell.text_content()).strip() for cell in row]
            for row in self.find(f"//table[@id='{table}']/tbody/tr")
        ]


class Site(AsyncHTTPTestCase):
    """Asks for pages; `with_options` sets what Flower's command line would."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("get")
        self._settings = settings

    def get_app(self) -> Flower:
        # Tornado keeps a loader for each folder of templates; ours has the same.
        RequestHandler._template_loaders.clear()
        app = celery.Celery()
        events = Events(app, IOLoop.current(), max_tasks_in_memory=100)
        overlay = Overlay(urls.settings["template_path"])
        given = {
            **urls.settings,
            "template_loader": overlay,
            "transforms": [shield(self._settings, options)],
        }
        return Flower(capp=app, events=events, options=options, **given)

    def get(self, path: str, **query: object) -> Seen:
        asked = f"{path}?{urlencode(query)}" if query else path
        return Seen(self.fetch(asked, headers=login()))

    def ask(self, path: str, method: str = "GET", **options: Any) -> Seen:
        """Ask with headers and a body of one's own, and follow nothing."""
        return Seen(self.fetch(path, method=method, follow_redirects=False, **options))


@contextmanager
def with_options(**values: object) -> Iterator[None]:
    with ExitStack() as held:
        for name, value in values.items():
            held.enter_context(patch.object(options.mockable(), name, value))
        yield


@contextmanager
def serving(settings: Settings) -> Iterator[Site]:
    """Serve Flower's pages with ours, as `monitor.install` has them."""
    ours = tabs(celery.Celery(broker=settings.celery_broker), settings)
    urls.handlers[:0] = ours
    site = Site(settings)
    try:
        site.setUp()
        yield site
        site.tearDown()
    finally:
        del urls.handlers[: len(ours)]
