"""Jobs that a site, or the guard, does not let through."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lab import Lab
from proxies import parse_proxy

if TYPE_CHECKING:
    from tests.stack import Stack


def test_a_blocked_session_goes_on_through_another_proxy(
    stack: "Stack", lab: Lab, publish: Callable[..., None]
) -> None:
    publish(*(proxy.line for proxy in lab.proxies[:2]))
    stack.worker()
    app = stack.app()

    def scrape(path: str) -> dict[str, Any]:
        job = {"url": f"{lab.site}{path}", "session": "s"}
        page: dict[str, Any] = app.send_task("scrape", kwargs=job).get(timeout=30)
        return page

    first = scrape("/whoami")
    address = json.loads(first["text"])["address"]
    second = scrape(f"/unless/{address}")
    third = scrape("/whoami")

    assert (second["text"], second["tries"]) == ("welcome", 2)
    assert (first["generation"], second["generation"]) == (1, 2)
    assert second["proxy"] != first["proxy"]
    assert third["proxy"] == second["proxy"], "and stays there"


def test_a_block_without_end_says_so_for_each_proxy(
    stack: "Stack", lab: Lab, publish: Callable[..., None]
) -> None:
    lines = [proxy.line for proxy in lab.proxies[:2]]
    publish(*lines)
    stack.worker(LIMPET_JOB_MAX_AGE_SECONDS="5")
    job = {"url": f"{lab.site}/status/403?token=Qu3ryS3cret"}

    sent = stack.app().send_task("scrape", kwargs=job)
    text = str(sent.get(timeout=30, propagate=False))

    for line in lines:
        assert f"proxy {parse_proxy(line).id}: blocked (blame: block)" in text
    assert "status 403" in text
    assert "Qu3ryS3cret" not in text + stack.log("worker").read_text()


def test_a_job_to_the_inside_fails_at_once_and_burns_nothing(
    stack: "Stack", lab: Lab, publish: Callable[..., None]
) -> None:
    publish(lab.proxies[0].line)
    stack.worker(LIMPET_ALLOW_PRIVATE_HOSTS="127.0.0.1")
    urls = [
        "http://169.254.169.254/latest?token=Qu3ryS3cret",
        "http://0x7f.2/",
        f"{lab.site}/redirect-to?url=http://10.0.0.1/",
    ]

    sent = [
        stack.app().send_task("scrape", kwargs={"url": url, "session": f"s{n}"})
        for n, url in enumerate(urls)
    ]
    texts = [str(one.get(timeout=20, propagate=False)) for one in sent]

    assert [text.partition(";")[0] for text in texts] == [
        "the address is refused: 169.254.169.254 is not public",
        "the address is refused: 127.0.0.2 is not public",
        "the address is refused: 10.0.0.1 is not public",
    ]
    good = stack.app().send_task("scrape", kwargs={"url": f"{lab.site}/whoami"})
    assert good.get(timeout=60)["tries"] == 1
    assert "Qu3ryS3cret" not in "".join(texts) + stack.log("worker").read_text()


def test_a_worker_can_fetch_with_a_browser_s_handshake(
    stack: "Stack", lab: Lab, publish: Callable[..., None], browser_module: str
) -> None:
    assert browser_module
    publish(lab.proxies[0].line, lab.proxies[1].line)
    stack.worker(LIMPET_FETCHER="curl", LIMPET_CURL_IMPERSONATE="firefox")
    app = stack.app()
    job = {"url": f"{lab.site}/shop/curl/1", "session": "s"}

    pages = [app.send_task("scrape", kwargs=job).get(timeout=60) for _ in range(3)]
    seen = app.send_task("scrape", kwargs={"url": f"{lab.site}/whoami"})

    assert "<b id=seen>3</b>" in pages[-1]["text"]
    assert len({page["proxy"] for page in pages}) == 1
    headers = json.loads(seen.get(timeout=60)["text"])["headers"]
    assert "Firefox/" in headers["user-agent"]
