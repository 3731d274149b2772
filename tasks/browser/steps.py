"""The steps of a job, done in a page."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from playwright.async_api import Error, Locator, Page
from playwright.async_api import TimeoutError as Late

from limpet.errors import LimpetError, StepFailed
from limpet.jobs import steps as kinds
from tasks.browser import failures
from tasks.browser.keeping import COLLECT
from tasks.browser.storage import Origin
from tasks.browser.values import File, Rendered, Snapshot, Wish

#: Seconds beyond a step's own that it may take to say that it was late.
_SLACK: Final = 1.0
#: Seconds to find out whether an element is there at all.
_LOOK: Final = 0.5
#: Characters of HTML that are looked at: more is no page for people.
HTML_MAX: Final = 5_000_000
#: Bytes that all files and snapshots of a job may have together.
_FILES_MAX: Final = 64 * 1024 * 1024
#: Characters that the values of all scripts may have together, as JSON.
_VALUES_MAX: Final = 100_000
_HTML: Final = (
    "document.documentElement?.outerHTML.slice(0, most) ?? '', String(document.title)"
)
_LOOK_AT: Final = f"most => [{_HTML}]"
#: The same, and what the page's origin keeps: one trip to the page for both.
_TAKE: Final = f"async ([most, room]) => [{_HTML}, await ({COLLECT})(room)]"
#: What Playwright says of a page that is being replaced by another one.
_REPLACED: Final = ("context was destroyed", "navigating")
#: Pages that may replace each other before there is one to look at.
_REPLACEMENTS: Final = 5

#: Goes to a URL until it is in the state named, within seconds.
Goes = Callable[[str, kinds.LoadState, float], Awaitable[None]]


class Steps:
    """Does steps one after the other; what they bring is put into *found*.

    *at* is the one that is being done, from 1; 0 before the first.
    """

    def __init__(self, wish: Wish, page: Page, found: Rendered, go: Goes) -> None:
        self._wish, self._page, self._found, self._go = wish, page, found, go
        self._kept = 0
        self.at = 0

    async def run(self) -> None:
        """Do them all.

        Raises:
            StepFailed: one could not be done.
            LimpetError: a page could not be had, or the browser ended.
        """
        for number, step in enumerate(self._wish.job.steps, start=1):
            self.at = number
            start = time.monotonic()
            seconds = step.timeout or self._wish.step_timeout
            if isinstance(step, kinds.ACTS):
                self._found.acted = True
            try:
                async with asyncio.timeout(seconds + _SLACK):
                    await self._do(step, seconds)
            except TimeoutError:
                raise self.failed(f"not done within {seconds:g} s") from None
            except Late:
                raise self.failed(await self._why_late(step, seconds)) from None
            except Error as error:
                raise failures.gone(error) or self.failed(
                    _reason(step, error)
                ) from None
            took = round((time.monotonic() - start) * 1000)
            self._found.steps.append({"do": step.do, "ms": took})

    def failed(self, reason: str) -> LimpetError:
        """Say that the step at hand cannot be done."""
        if not self.at:
            return StepFailed(0, "the page", "", reason)
        step = self._wish.job.steps[self.at - 1]
        return StepFailed(self.at, step.do, step.target, reason)

    async def html(self, most: int = HTML_MAX) -> str:
        """Return the page's HTML as it is now, at most so many characters."""
        return (await self.look(most))[0]

    async def look(self, most: int = HTML_MAX) -> tuple[str, str]:
        """Return the HTML, and the title."""
        html, title = await self._asked(_LOOK_AT, most)
        return str(html), str(title)

    async def take(self, most: int, room: int) -> tuple[str, str, Origin | None]:
        """Return besides what the page's origin keeps, as `keeping.COLLECT` does."""
        html, title, kept = await self._asked(_TAKE, [most, room])
        return str(html), str(title), kept if isinstance(kept, dict) else None

    async def _asked(self, script: str, given: Any) -> Any:
        for _ in range(_REPLACEMENTS):
            try:
                return await self._page.evaluate(script, given)
            except Error as error:
                if not any(sign in error.message for sign in _REPLACED):
                    raise
                await self._page.wait_for_load_state("domcontentloaded")
        raise self.failed("the page is replaced again and again")

    async def _do(self, step: Any, seconds: float) -> None:
        await getattr(self, f"_{step.do}")(step, seconds * 1000)

    async def _goto(self, step: kinds.Goto, ms: float) -> None:
        await self._go(step.url, step.wait, ms / 1000)

    async def _click(self, step: kinds.Click, ms: float) -> None:
        await self._one(step.selector).click(timeout=ms)
        await self._settle(ms)

    async def _fill(self, step: kinds.Fill, ms: float) -> None:
        await self._one(step.selector).fill(step.value, timeout=ms)

    async def _press(self, step: kinds.Press, ms: float) -> None:
        if step.selector is None:
            await self._page.keyboard.press(step.key)
        else:
            await self._one(step.selector).press(step.key, timeout=ms)
        await self._settle(ms)

    async def _select(self, step: kinds.Select, ms: float) -> None:
        await self._one(step.selector).select_option(step.values, timeout=ms)
        await self._settle(ms)

    async def _wait(self, step: kinds.Wait, ms: float) -> None:
        if step.selector is not None:
            await self._one(step.selector).wait_for(state=step.state, timeout=ms)
        elif step.text is not None:
            await self._page.get_by_text(step.text).first.wait_for(timeout=ms)
        elif step.url is not None:
            await self._page.wait_for_url(step.url, timeout=ms)
        else:
            await self._page.wait_for_load_state(step.load, timeout=ms)

    async def _scroll(self, step: kinds.Scroll, ms: float) -> None:
        if step.selector is not None:
            await self._one(step.selector).scroll_into_view_if_needed(timeout=ms)
            return
        for n in range(step.times):
            if n:
                await asyncio.sleep(step.pause)
            await self._page.evaluate("scrollTo(0, document.body.scrollHeight)")

    async def _evaluate(self, step: kinds.Evaluate, _ms: float) -> None:
        value = await self._page.evaluate(step.script)
        if step.name is None:
            return
        self._found.values[step.name] = value
        if len(repr(self._found.values)) > _VALUES_MAX:
            del self._found.values[step.name]
            raise self.failed("its value is too large for a result")

    async def _extract(self, _step: kinds.Extract, _ms: float) -> None:
        html = await self.html()
        self._count(len(html))
        self._found.snapshots.append(Snapshot(self.at, self._page.url, html))

    async def _screenshot(self, step: kinds.Screenshot, ms: float) -> None:
        if step.selector is not None:
            body = await self._one(step.selector).screenshot(timeout=ms)
        else:
            body = await self._page.screenshot(full_page=step.full, timeout=ms)
        self._keep(File(step.name, "screenshot", "image/png", self.at, body))

    async def _pdf(self, step: kinds.Pdf, _ms: float) -> None:
        body = await self._page.pdf(print_background=True)
        self._keep(File(step.name, "pdf", "application/pdf", self.at, body))

    async def _html(self, step: kinds.Html, _ms: float) -> None:
        body = (await self.html()).encode("utf-8", "replace")
        self._keep(File(step.name, "html", "text/html; charset=utf-8", self.at, body))

    def _one(self, selector: str) -> Locator:
        return self._page.locator(selector).first

    async def _settle(self, ms: float) -> None:
        """Let a page come that this step may have led to."""
        await self._page.wait_for_load_state("load", timeout=ms)

    def _keep(self, file: File) -> None:
        self._count(len(file.body))
        self._found.files.append(file)

    def _count(self, size: int) -> None:
        self._kept += size
        if self._kept > _FILES_MAX:
            raise self.failed("what the job keeps is too much")

    async def _why_late(self, step: Any, seconds: float) -> str:
        within = f"within {seconds:g} s"
        selector = getattr(step, "selector", None)
        if selector is None:
            return f"not so {within}"
        try:
            async with asyncio.timeout(_LOOK):
                there = await self._page.locator(selector).count()
        except (Error, TimeoutError):
            return f"not done {within}"
        if not there:
            return f"nothing like it in the page {within}"
        return f"it is there, but was not ready {within} (hidden, disabled or covered)"


#: What Playwright says, and what that means.
_SAYINGS: Final = (
    (("Unknown key",), "there is no such key"),
    (("selector", "Unexpected token"), "is no selector"),
    (("selector", "Unknown engine"), "is no selector"),
    (("not a valid selector",), "is no selector"),
    (("not a valid XPath",), "is no selector"),
    (("InvalidSelectorError",), "is no selector"),
    (("Invalid regular expression",), "is no selector"),
    (("Selector cannot",), "is no selector"),
    (("Unknown attribute",), "is no selector"),
    (("<iframe> was expected",), "is no selector"),
    (("not an <input>",), "it is there, but is no field of that kind"),
    (("not a <select>",), "it is there, but is no field of that kind"),
)


def _reason(step: Any, error: Error) -> str:
    if isinstance(step, kinds.Evaluate):
        return f"the script ended with {failures.thrown(error)}"
    for signs, meaning in _SAYINGS:
        if all(sign in error.message for sign in signs):
            return meaning
    word = failures.net_error(error.message)
    return f"the browser would not do it{word and f' ({word})'}"
