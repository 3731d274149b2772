"""One browser: its driver, its program, and what they may cost."""

import asyncio
import os
import signal
import socket
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import structlog
from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Playwright,
    async_playwright,
)

from limpet.errors import BrowserFailed
from limpet.settings import Settings
from tasks.browser import failures

#: Seconds for each of them to start, and to end by itself.
_START, _END = 30.0, 5.0
#: Seconds between two looks at the memory while pages are open.
_LOOK: Final = 1.0
#: Looks of which one is taken while no page is open.
_SELDOM: Final = 5
#: Seconds in which the end of a page is told of that took too much.
_NEWS: Final = 5.0
#: Of the environment, what a browser needs: the rest of it holds a worker's secrets.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME")
_ARGUMENTS: Final = (
    # WebRTC would tell sites the worker's own address, past any proxy. The headless
    # shell knows the first of these switches, the whole Chromium the second.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    # Names are looked up by the relay, or by the proxy: never by the browser.
    "--dns-prefetch-disable",
    # Pages of one context share a process, so that a session's next page goes on in
    # that of its last one. Those of two contexts never do.
    "--renderer-process-limit=1",
    # Not ``--disable-threaded-compositing``: a page takes 30 ms less CPU with it, but
    # each click then waits for its element to be at rest, until it is too late.
)
_MB: Final = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

log = structlog.get_logger(__name__)


class Process:
    """A browser that was started; *pages* were opened in it, *open* are so now.

    It is *worn* when it is to have no new page, *ending* when it was told to, and
    *dead* when it is gone.
    """

    def __init__(self, config: Settings, driver: Playwright, browser: Browser) -> None:
        self._config, self._driver, self._browser = config, driver, browser
        self._watching: asyncio.Task[None] | None = None
        self._session: Any = None
        self.pages = self.open = 0
        self.memory = 0
        self._culled = -_NEWS
        self.worn = self.dead = self.ending = False

    @classmethod
    async def start(
        cls, config: Settings, program: Path | None, home: Path | None
    ) -> Self:
        """Start the driver and the browser; *home* is its own, if it is to have one.

        Raises:
            BrowserFailed: they did not start.
        """
        driver = None
        try:
            async with asyncio.timeout(_START):
                driver = await async_playwright().start()
                browser = await driver.chromium.launch(
                    executable_path=program,
                    args=list(_ARGUMENTS),
                    chromium_sandbox=config.render_sandbox,
                    env=_environment(home),
                    # What is of no context goes nowhere.
                    proxy={"server": f"http://127.0.0.1:{_nowhere()}"},
                    # Signals are the worker's, which lets jobs come to their end.
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
        except (Error, OSError, TimeoutError) as error:
            log.warning(
                "browser_did_not_start",
                reason=type(error).__name__,
                program=str(program or "of Playwright"),
                said=failures.last_words(error),
            )
            if driver:
                await _quietly(driver.stop())
            raise BrowserFailed("the browser did not start, or") from None
        made = cls(config, driver, browser)
        browser.on("disconnected", lambda _browser: made.lose())
        made._session = await browser.new_browser_cdp_session()
        made._watching = asyncio.ensure_future(made._watch())
        log.info("browser_started", version=browser.version)
        return made

    async def context(self, **options: Any) -> BrowserContext:
        """Open a context; a driver that is gone is known by this alone.

        Raises:
            BrowserFailed: the browser is gone.
        """
        try:
            async with asyncio.timeout(_START):
                return await self._browser.new_context(**options)
        except TimeoutError:
            self.lose()
            raise BrowserFailed("the browser") from None

    def lose(self) -> None:
        """Have it that the browser is gone."""
        self.worn = self.dead = True

    async def pids(self) -> list[int]:
        """Return the browser's processes, itself first; none if it does not answer."""
        return list(await self._kinds())

    def was_culled(self) -> bool:
        """Whether a page has just been ended for the memory that it took."""
        return time.monotonic() - self._culled < _NEWS

    async def _kinds(self) -> dict[int, str]:
        try:
            async with asyncio.timeout(_END):
                told = await self._session.send("SystemInfo.getProcessInfo")
        except (Error, TimeoutError):
            return {}
        found = sorted(told["processInfo"], key=lambda one: one["type"] != "browser")
        return {int(one["id"]): str(one["type"]) for one in found}

    async def close(self) -> None:
        """End it, gently if it lets."""
        if self._watching:
            self._watching.cancel()
        pids = [] if self.dead else await self.pids()
        self.lose()
        await _quietly(self._browser.close())
        await _quietly(self._driver.stop())
        if pids and _alive(pids[0]):
            _kill(pids[0])

    async def _watch(self) -> None:
        """Look at its memory, less often while there are no pages."""
        most = self._config.render_max_memory_mb * _MB
        for look in count():
            await asyncio.sleep(_LOOK)
            if self.dead:
                return
            # What is kept is quiet, if nothing has gone wrong.
            if not self.open and look % _SELDOM:
                continue
            kinds = await self._kinds()
            sizes = {pid: _memory(pid) for pid in kinds}
            self.memory = sum(sizes.values())
            freed = 0
            if self.memory > most:
                if not self.worn:
                    log.warning("browser_is_large", bytes=self.memory)
                self.worn = True
                pages = {n: sizes[n] for n in kinds if kinds[n] == "renderer"}
                freed = self._cull(pages, most)
            if self.memory - freed > 2 * most:
                log.warning("browser_killed", bytes=self.memory)
                _kill(next(iter(kinds)))

    def _cull(self, pages: dict[int, int], most: int) -> int:
        """End the page that has most of it, so that the others may go on.

        Returns the bytes that it had, 0 if all are small.
        """
        largest = max(pages, key=pages.__getitem__, default=0)
        if not pages or pages[largest] * 2 <= most:
            return 0
        log.warning("page_is_too_large", bytes=pages[largest])
        self._culled = time.monotonic()
        _kill(largest)
        return pages[largest]


def _environment(home: Path | None) -> dict[str, str | float | bool]:
    found = {n: os.environ[n] for n in _ENVIRONMENT if n in os.environ}
    return {**found, "HOME": str(home)} if home else {**found}


async def _quietly(end: Any) -> None:
    """Wait for an end, which may have come already."""
    with suppress(Exception):
        async with asyncio.timeout(_END):
            await end


def _nowhere() -> int:
    """Return a port that nobody listens on, and that nobody else can take."""
    if not _reserved:
        held = socket.socket()
        held.bind(("127.0.0.1", 0))
        _reserved.append(held)
    port: int = _reserved[0].getsockname()[1]
    return port


_reserved: list[socket.socket] = []


def _memory(pid: int) -> int:
    """Return the bytes of a process that it shares with no other one.

    Exact sums (``smaps_rollup``) take the kernel milliseconds for each process.
    """
    try:
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except OSError:
        return 0
    _, resident, shared, *_ = map(int, pages)
    return (resident - shared) * _PAGE


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
