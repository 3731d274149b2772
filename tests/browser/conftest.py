"""A real browser before a real ``celery -A tasks flower``."""

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest
from redis import Redis

from limpet import database
from tests.browser.scene import Scene
from tests.conftest import Eventually, _free_port
from tests.monitor.conftest import Flower
from tests.redis_server import RedisServer
from tests.stack import Stack
from tests.warm import Warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Where screenshots go, for people to look at; nobody compares them.
SHOTS: Final = Path(__file__).resolve().parents[2] / ".screenshots"
_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
_AGAIN: Final = 5
USER, PASSWORD = "ada", "pw"
_CHROMIUM: Final = ("chromium-headless-shell", "chromium", "chromium-browser")
_FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--no-first-run"),
)


def _lacking(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def _chromium() -> str:
    asked = os.environ.get("LIMPET_CHROMIUM")
    found = asked or next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if not found:
        _lacking("there is no Chromium; LIMPET_CHROMIUM may name one")
    return str(found)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium, for the tests of one file: its loop would stand in others' way."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra
    except ImportError:
        _lacking("Playwright is missing: install the extra render")
    path = _chromium()
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield made
        made.close()


class Visitor:
    """A person at a browser, and all that it complains of or asks elsewhere for."""

    def __init__(self, page: "Page", base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._watch)

    def _listen(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "about:")):
            self.elsewhere.append(request.url)

    def go(self, path: str) -> "Visitor":
        for _ in range(_AGAIN):
            self.page.goto(self.base + path, wait_until="load")
            # Chromium drops what it loads when any network of the machine changes.
            broken = [one for one in self.complaints if _CHANGED in one]
            if not broken:
                break
            self.complaints = [one for one in self.complaints if one not in broken]
        return self

    def shoot(self, name: str) -> Path:
        SHOTS.mkdir(exist_ok=True)
        file = SHOTS / f"{name}.png"
        self.page.screenshot(path=file, full_page=True, animations="disabled")
        return file


Visit = Callable[..., Any]


class Place:
    """A Flower with stores of its own."""

    def __init__(self, flower: Flower, port: int) -> None:
        self.flower = flower
        self.base = f"http://127.0.0.1:{port}"
        self.server: RedisServer = flower.server
        self.engine = database.engine(f"sqlite:///{flower.stack.folder}/limpet.db")

    def empty(self) -> Scene:
        """Forget everything, and return what fills the place again."""
        self.server.client.flushall()
        with self.engine.begin() as connection:
            for table in (
                "proxies",
                "pool_snapshots",
                "history_cursors",
                "pool_hours",
                "audit_events",
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        return Scene(self.server.client, self.engine)


@contextmanager
def flower_with(
    redis_port: int, folder: Path, warm: Warm, eventually: Eventually, **options: str
) -> Iterator[Place]:
    server = RedisServer(_free_port(), folder)
    stack = Stack(redis_port, folder, warm)
    stack.environment |= {
        "LIMPET_REDIS_URL": f"{server.url}/1",
        # The machine may be busy; a store that is frozen is told of after this.
        "LIMPET_HEALTH_TIMEOUT_SECONDS": "8",
    }
    eventually(server.answers)
    try:
        assert stack.manage("migrate").returncode == 0
        port = _free_port()
        stack.celery("flower", log="flower", FLOWER_PORT=str(port), **options)
        place = Place(Flower(port, stack, server), port)
        eventually(place.flower.up, within=60)
        yield place
        place.engine.dispose()
    finally:
        stack.close()
        server.close()


@pytest.fixture(scope="module")
def place(
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
    warm: Warm,
    eventually: Eventually,
) -> Iterator[Place]:
    """A Flower with a login."""
    login = {"FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}"}
    folder = tmp_path_factory.mktemp("place")
    with flower_with(redis_port, folder, warm, eventually, **login) as made:
        yield made
    with Redis(port=redis_port) as broker:
        broker.flushall()


@pytest.fixture
def visit(browser: "Browser", place: Place) -> Iterator[Visit]:
    """Open a page with a login; whatever it complains of fails the test."""
    with ExitStack() as opened:

        def open_(
            path: str,
            *,
            width: int = 1280,
            dark: bool = False,
            at: Place = place,
            scripts: bool = True,
        ) -> Visitor:
            told = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            context = browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if dark else "light",
                extra_http_headers={"Authorization": f"Basic {told}"},
                java_script_enabled=scripts,
            )
            opened.callback(context.close)
            return Visitor(context.new_page(), at.base).go(path)

        yield open_
