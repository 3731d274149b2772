"""Chapter 3: jobs. Enqueued by name from any program, served by any worker."""

from typing import TYPE_CHECKING

import pytest

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.fixture
def running(stack: "Stack", lab: Lab) -> "Stack":
    """A worker whose pool has the lab's five proxies."""
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    done = stack.manage("proxies", "import", "-", stdin=lines)
    assert "5 new" in done.stdout, done.stderr
    stack.worker()
    return stack


def test_an_app_enqueues_by_name_and_gets_the_page(running: "Stack", lab: Lab) -> None:
    job = {"url": f"{lab.site}/shop/user-42/1", "session": "user-42"}

    page = running.app().send_task("scrape", kwargs=job).get(timeout=60)

    assert (page["status"], page["session"], page["tries"]) == (200, "user-42", 1)
    assert "Limpet shop, page 1" in page["text"]
    assert page["url"] == job["url"]


def test_a_session_is_one_visitor_on_every_worker(running: "Stack", lab: Lab) -> None:
    running.worker("second")
    start = len(lab.visits())
    app = running.app()

    pages = [
        app.send_task(
            "scrape", kwargs={"url": f"{lab.site}/shop/v/{n}", "session": "v"}
        ).get(timeout=60)
        for n in range(12)
    ]

    assert len({visit.address for visit in lab.visits(start)}) == 1
    assert "this is your page no. <b id=seen>12</b>" in pages[-1]["text"]


def test_a_bad_job_fails_alone_and_says_why(running: "Stack", lab: Lab) -> None:
    app = running.app()
    bad = [
        app.send_task("scrape", kwargs={"url": "ftp://example.com"}),
        app.send_task("scrape", kwargs={"url": lab.site, "sesion": "typo"}),
        app.send_task("scrape", args=[lab.site]),
        app.send_task("scrape", kwargs={"url": lab.site, "pool": "nobody"}),
    ]
    good = app.send_task("scrape", kwargs={"url": f"{lab.site}/whoami"})

    texts = [str(result.get(timeout=20, propagate=False)) for result in bad]

    assert good.get(timeout=60)["status"] == 200
    assert texts[0] == "url: must be an http:// or https:// URL with a host"
    assert texts[1].startswith("sesion: there is no such field; did you mean 'session'")
    assert texts[2].startswith("give arguments by name")
    assert "'nobody' has no proxy that is in use: import some" in texts[3]


def test_a_text_is_decoded_and_bytes_stay_bytes(running: "Stack", lab: Lab) -> None:
    app = running.app()

    text = app.send_task("scrape", kwargs={"url": f"{lab.site}/charset"})
    data = app.send_task("scrape", kwargs={"url": f"{lab.site}/bytes/3"})

    assert "12 € café" in text.get(timeout=60)["text"]
    assert data.get(timeout=60)["body_base64"] == "AAAA"


def test_a_result_holds_no_cookie_and_no_credential(running: "Stack", lab: Lab) -> None:
    job = {"url": f"{lab.site}/shop/s/1", "session": "s"}

    page = running.app().send_task("scrape", kwargs=job).get(timeout=60)

    assert "set-cookie" not in page["headers"]
    assert page["headers"]["content-type"].startswith("text/html")
    for proxy in lab.proxies:
        assert proxy.user not in str(page)
