"""Every page of ours in a browser: whole, quiet, and fit for its place."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import Place, Visit
from tests.browser.scene import SECRET, Scene
from tests.conftest import Eventually

TABS = ("sessions", "proxies", "schedule")
#: Every way to look at a page; each of them is shot.
WAYS = [(width, dark) for width in (390, 1280, 1920) for dark in (False, True)]
Fill = Callable[[Scene], None]


def _nothing(scene: Scene) -> None:
    pass


def _three(scene: Scene) -> None:
    scene.few()
    scene.past()
    scene.ran()


def _many(scene: Scene) -> None:
    scene.many()
    scene.past()
    scene.ran()


def _whole(visit: Visit, path: str, name: str, *, width: int, dark: bool) -> None:
    """Look at a page: nothing is amiss, and nothing sticks out of it."""
    seen = visit(path, width=width, dark=dark)
    seen.shoot(name)
    assert seen.complaints == []
    assert seen.elsewhere == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    # No table is wider than its place: a row may be a card instead.
    for table in seen.page.locator(".table-responsive").all():
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth"), name
    assert seen.page.locator("[aria-current=page]").count() == 1
    assert SECRET not in seen.page.content()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fill", "count"), [(_nothing, "none"), (_three, "three"), (_many, "many")]
)
def test_every_tab_is_whole(place: Place, visit: Visit, fill: Fill, count: str) -> None:
    fill(place.empty())

    ways = [(992, False), *WAYS] if count == "many" else WAYS[:4]
    for width, dark in ways:
        for tab in TABS:
            name = f"{tab}-{count}-{'dark' if dark else 'light'}-{width}"
            _whole(visit, f"/{tab}", name, width=width, dark=dark)


@pytest.mark.timeout(300)
def test_own_pages_are_whole(place: Place, visit: Visit) -> None:
    scene = place.empty()
    scene.few()
    scene.trouble()
    blocked = scene.sessions.get("blocked-0")
    banned = next(one.id for one in scene.records if scene.proxies.bans(one.id))
    assert blocked is not None

    for width, dark in WAYS[:4]:
        for path, name in (
            ("/session?pool=default&id=user-4711", "session"),
            (f"/proxy?pool=default&id={banned}", "proxy"),
            ("/session/close?pool=default&id=user-4711", "ask-close"),
            ("/session/migrate?pool=default&id=user-4711", "ask-migrate"),
        ):
            told = f"{name}-{'dark' if dark else 'light'}-{width}"
            _whole(visit, path, told, width=width, dark=dark)


@pytest.mark.parametrize("span", ["24h", "7d"])
def test_charts_of_longer_ranges_are_whole(
    place: Place, visit: Visit, span: str
) -> None:
    _three(place.empty())

    _whole(visit, f"/sessions?span={span}", f"chart-{span}", width=1280, dark=False)

    assert visit(f"/sessions?span={span}").page.locator("figure svg").count() == 1


def test_flowers_own_pages_are_as_they_were(place: Place, visit: Visit) -> None:
    for path in ("/workers", "/tasks", "/broker"):
        seen = visit(path)
        tabs = seen.page.locator(".app-nav").first.locator("a").all_inner_texts()

        assert tabs == [
            *("Workers", "Tasks", "Broker"),
            *("Sessions", "Proxies", "Schedule"),
        ]
        assert seen.complaints == []
        assert seen.elsewhere == []


def test_an_open_page_shows_what_changes(
    place: Place, visit: Visit, eventually: Eventually
) -> None:
    scene = place.empty()
    scene.few()
    seen = visit("/sessions")
    rows = seen.page.locator("#limpet-sessions tbody tr")
    assert rows.count() == 3

    scene.use("one-more", "and-another")
    eventually(lambda: rows.count() == 5, within=30)
    scene.sessions.close("user-4711")
    eventually(lambda: "user-4711" not in seen.page.content(), within=30)

    names = seen.page.locator("#limpet-sessions tbody th").all_inner_texts()
    assert sorted(names) == [
        *("and-another", "checkout-berlin", "crawl@news:7", "one-more")
    ]
    assert seen.page.locator("[data-card=active]").inner_text() == "4"
    link = rows.first.locator("th a").get_attribute("href")
    assert link is not None
    assert link.endswith(
        f"id={rows.first.locator('th').inner_text()}".replace("@", "%40")
    )
    assert seen.complaints == []


def test_pages_work_without_scripts(place: Place, visit: Visit) -> None:
    place.empty().few()
    seen = visit("/sessions", scripts=False)

    seen.page.locator("#limpet-search").fill("user")
    seen.page.get_by_role("button", name="Search").click()
    seen.page.get_by_role("link", name="user-4711").click()

    assert seen.page.get_by_role("heading", name="user-4711").is_visible()


def test_a_table_that_changes_keeps_the_focus_on_its_session(
    place: Place, visit: Visit, eventually: Eventually
) -> None:
    scene = place.empty()
    scene.few()
    seen = visit("/sessions")
    page, rows = seen.page, seen.page.locator("#limpet-sessions tbody tr")
    names = rows.locator("th a").all_inner_texts()
    focused = "document.activeElement.innerText"
    rows.nth(2).locator("th a").focus()

    scene.sessions.close(names[0])
    eventually(lambda: rows.count() == 2)
    moved = page.evaluate(focused)
    scene.sessions.close(names[2])
    eventually(lambda: rows.count() == 1)
    at_the_table = page.evaluate("document.activeElement.matches('[role=region]')")

    assert moved == names[2]
    assert at_the_table


def test_everything_is_reached_by_keyboard(place: Place, visit: Visit) -> None:
    scene = place.empty()
    scene.few()
    seen = visit("/sessions")
    page = seen.page

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = "document.activeElement.innerText || document.activeElement.id"
            if page.evaluate(focused) == name:
                outline = page.evaluate(
                    "(s => s.outlineStyle + s.boxShadow)"
                    "(getComputedStyle(document.activeElement))"
                )
                assert outline != "nonenone", f"nobody sees where {name} is"
                return
        raise AssertionError(f"{name} cannot be reached")

    tab_to("limpet-search")
    page.keyboard.type("user")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=user**")
    tab_to("user-4711")
    page.keyboard.press("Enter")
    page.wait_for_url("**/session?**")
    tab_to("Close…")
    page.keyboard.press("Enter")
    page.wait_for_url("**/session/close?**")
    tab_to("Close")
    page.keyboard.press("Enter")
    page.wait_for_url("**/session?**")

    assert page.get_by_text("This session has ended").is_visible()
    assert scene.sessions.get("user-4711") is None
    assert seen.complaints == []
