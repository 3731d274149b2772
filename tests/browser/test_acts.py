"""What is done from a browser, by whom, and what a page of somebody else cannot do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.keys import Keys
from limpet.sealing import Sealer
from proxies import ProxyRecord, tables
from tests.browser.conftest import PASSWORD, USER, Place, Visit, flower_with
from tests.browser.scene import EVIL, SECRET, Scene, damaged_record
from tests.conftest import Eventually
from tests.warm import Warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def audited(client: Redis) -> list[dict[bytes, bytes]]:
    found = client.xrevrange(Keys("default").audit, count=50)
    return [event for _, event in found if event.get(b"event") == b"action"]  # type: ignore[union-attr,misc] # its own types


@pytest.fixture
def scene(place: Place) -> Scene:
    made = place.empty()
    made.few()
    return made


def test_a_session_is_closed_from_its_page(
    place: Place, visit: Visit, scene: Scene
) -> None:
    seen = visit("/sessions")

    seen.page.get_by_role("link", name="user-4711").click()
    seen.page.get_by_role("link", name="Close…").click()
    seen.shoot("acts-close")
    asked = scene.sessions.get("user-4711")
    seen.page.get_by_role("button", name="Close").click()

    assert asked is not None
    assert seen.page.get_by_text("This session has ended").is_visible()
    assert scene.sessions.get("user-4711") is None
    [event] = audited(scene.client)
    assert (event[b"action"], event[b"by"]) == (b"close", USER.encode())
    assert seen.complaints == []


def test_a_proxy_is_drained_and_enabled_from_its_page(
    place: Place, visit: Visit, scene: Scene
) -> None:
    record = scene.records[0]
    seen = visit(f"/proxy?pool=default&id={record.id}")

    seen.page.get_by_role("link", name="Drain…").click()
    seen.page.get_by_role("button", name="Drain").click()
    [drained] = scene.proxies.status([record])
    told = seen.page.get_by_text("draining").first.is_visible()
    seen.page.get_by_role("link", name="Enable…").click()
    seen.page.get_by_role("button", name="Enable").click()
    [enabled] = scene.proxies.status([record])

    assert (drained.mode, enabled.mode) == ("draining", "")
    assert told
    assert seen.complaints == []


def test_what_cannot_be_done_is_told_on_the_page(
    place: Place, visit: Visit, scene: Scene
) -> None:
    seen = visit("/session/migrate?pool=default&id=user-4711")

    seen.page.get_by_label("Id of the proxy to move to").fill("nowhere")
    seen.page.get_by_role("button", name="Migrate").click()

    assert seen.page.get_by_role("alert").inner_text().startswith("Not done:")


def test_words_that_are_markup_stay_words(
    place: Place, visit: Visit, scene: Scene
) -> None:
    record = scene.evil()
    seen = visit("/sessions")

    def look(name: str) -> None:
        seen.shoot(name)
        assert seen.page.locator("main img[src=x]").count() == 0
        assert seen.page.locator("main script").count() == 0
        assert SECRET not in seen.page.content()

    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    look("evil-sessions")
    seen.page.locator("#limpet-sessions tbody th a", has_text="onerror").click()
    look("evil-session")
    seen.page.get_by_role("link", name="Close…").click()
    look("evil-close")
    seen.page.get_by_role("button", name="Close").click()
    look("evil-closed")
    seen.go("/proxies")
    look("evil-proxies")
    seen.go(f"/proxy?pool=default&id={record.id}")
    look("evil-proxy")
    seen.go(f"/sessions?search={EVIL}&pool={EVIL}&span={EVIL}&sort={EVIL}")
    look("evil-search")

    assert scene.sessions.get(EVIL) is None
    assert seen.complaints == []
    assert seen.elsewhere == []


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (damaged_record(tag=EVIL), "tags must be words"),
        (damaged_record(host=EVIL), "nothing may follow the port"),
    ],
    ids=["tag", "host"],
)
def test_hosts_and_tags_that_are_markup_are_refused(
    place: Place, visit: Visit, scene: Scene, record: ProxyRecord, told: str
) -> None:
    tables.save(scene.engine, Sealer(()), "default", [record])

    for path in ("/proxies", f"/proxy?pool=default&id={record.id}"):
        seen = visit(path)
        seen.shoot("evil-record")
        assert told in seen.page.locator("[role=alert]").inner_text()
        assert seen.page.locator("main img[src=x]").count() == 0
        assert SECRET not in seen.page.content()


@pytest.mark.timeout(200)
def test_a_row_that_comes_later_is_words_too(
    place: Place, visit: Visit, scene: Scene, eventually: Eventually
) -> None:
    seen = visit("/sessions")
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))

    scene.evil()
    eventually(lambda: "onerror" in seen.page.locator("tbody").inner_text(), within=30)

    assert seen.page.locator("main img[src=x]").count() == 0
    assert seen.complaints == []


@pytest.fixture
def evil_site(place: Place) -> Iterator[str]:
    """A page of somebody else's that sends our form."""
    page = f"""<form id=f method=post enctype=text/plain
        action="{place.base}/session/close?pool=default&id=user-4711">
        <input name=pool value=default><input name=id value=user-4711></form>
        <script>fetch("{place.base}/session/close?pool=default&id=user-4711",
          {{method: "POST", mode: "no-cors", credentials: "include"}})
          .finally(() => document.getElementById("f").submit())</script>"""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    # Another name for this machine, so another site.
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_of_another_site_can_do_nothing(
    browser: "Browser", place: Place, scene: Scene, evil_site: str
) -> None:
    # The browser knows the password, and sends it along whoever asks.
    context = browser.new_context(
        http_credentials={"username": USER, "password": PASSWORD}
    )
    page = context.new_page()
    page.goto(f"{place.base}/session?pool=default&id=user-4711")
    answers: list[tuple[str, int]] = []
    page.on("response", lambda one: answers.append((one.request.method, one.status)))

    page.goto(evil_site)
    page.wait_for_url(f"{place.base}/**")

    context.close()
    sent = {status for method, status in answers if method == "POST"}
    assert sent == {403}
    assert scene.sessions.get("user-4711") is not None
    assert audited(scene.client) == []


@pytest.mark.timeout(200)
def test_a_flower_that_is_read_only_offers_and_does_nothing(
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
    warm: Warm,
    eventually: Eventually,
    visit: Visit,
) -> None:
    folder = tmp_path_factory.mktemp("read-only")
    options = {"FLOWER_READ_ONLY": "true", "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}"}
    with flower_with(redis_port, folder, warm, eventually, **options) as place:
        scene = place.empty()
        scene.few()
        seen = visit("/session?pool=default&id=user-4711", at=place)
        seen.shoot("read-only")
        offered = seen.page.get_by_role("link", name="Close…").count()
        seen.go("/session/close?pool=default&id=user-4711")
        refused = seen.page.content()

        assert offered == 0
        assert "read-only mode" in refused
        assert scene.sessions.get("user-4711") is not None


@pytest.mark.timeout(200)
def test_a_store_that_is_away_is_told_and_the_page_comes_back(
    place: Place, visit: Visit, scene: Scene, eventually: Eventually
) -> None:
    seen, status = (
        visit("/sessions"),
        "document.getElementById('limpet-status').innerText",
    )
    place.server.freeze()
    try:
        eventually(
            lambda: seen.page.evaluate(status) == "Session store unreachable", within=60
        )
        shown = seen.page.locator("#limpet-sessions tbody tr").count()
        anew = visit("/proxies", dark=True)
        anew.shoot("away")
        own = visit("/workers")
    finally:
        place.server.thaw()

    assert shown == 3
    assert anew.page.get_by_text("The session store does not answer").is_visible()
    assert own.complaints == []
    eventually(lambda: seen.page.evaluate(status).startswith("Updated"), within=60)
    eventually(lambda: anew.page.locator("#limpet-proxies").count() == 1, within=60)
