"""What opens beside a page: popups, dialogs, downloads."""

from dataclasses import replace

import pytest
from playwright.async_api import Page

from lab import Lab
from tests.conftest import Eventually
from tests.tasks.browser.conftest import Visitor


def test_popups_are_closed_and_counted(
    visitor: Visitor, lab: Lab, eventually: Eventually
) -> None:
    steps = [{"do": "click", "selector": "#open"}]

    found = visitor.visit(f"{lab.site}/trap/popups", steps=steps)

    assert found.error is None
    # A browser blocks what no click has asked for, if it likes.
    assert found.seen.popups >= 1
    eventually(lambda: len(found.held.context.pages) == 1)
    visitor.host.drop(found)


@pytest.mark.parametrize("created", [True, False])
def test_a_popup_that_comes_when_its_job_is_done_is_closed(
    visitor: Visitor, lab: Lab, eventually: Eventually, *, created: bool
) -> None:
    visitor.lease = replace(visitor.lease, created=created)
    steps = [{"do": "click", "selector": "#open"}]
    found = visitor.visit(f"{lab.site}/trap/late-popup", steps=steps)
    came: list[Page] = []

    def note(page: Page) -> None:
        came.append(page)

    found.held.context.on("page", note)
    visitor.keep(found)
    tabs = list(found.held.context.pages)

    eventually(lambda: len(came) > len(tabs))
    eventually(lambda: found.held.context.pages == tabs)

    assert len(tabs) == (0 if created else 1)
    assert visitor.once(f"{lab.site}/whoami").warm


@pytest.mark.parametrize(
    ("answer", "said"), [("dismiss", "false null"), ("accept", "true ")]
)
def test_dialogs_are_answered_at_once(
    visitor: Visitor, lab: Lab, answer: str, said: str
) -> None:
    steps = [{"do": "goto", "url": f"{lab.site}/whoami"}]

    found = visitor.visit(f"{lab.site}/trap/dialogs", dialogs=answer)
    text = found.page.body.decode()
    visitor.host.drop(found)
    left = visitor.once(f"{lab.site}/trap/dialogs", dialogs=answer, steps=steps)

    assert f'<p id="said">{said}</p>' in text
    assert found.seen.dialogs == 3
    assert left.error is None
    assert left.page.url.endswith("/whoami")


def test_downloads_are_refused(visitor: Visitor, lab: Lab) -> None:
    steps = [{"do": "click", "selector": "#get"}]

    asked = visitor.once(f"{lab.site}/trap/download")
    clicked = visitor.once(f"{lab.site}/trap/downloads", steps=steps)

    assert str(asked.error) == "the page: it is a download, which no page takes"
    assert clicked.error is None
    assert clicked.seen.downloads == 1
