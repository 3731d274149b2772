"""What jobs do in pages, and how it is told what could not be done."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Lab
from limpet.errors import StepFailed
from proxies import Proxy
from tests.tasks.browser.conftest import Visitor

VisitorOn = Callable[..., Visitor]
LOGIN = "/store/login"
HIDDEN = (
    "step 1 (click 'input[name=token]'): it is there, but was not ready within 0.5 s "
    "(hidden, disabled or covered)"
)


def _shown(text: bytes) -> Any:
    """Read the JSON that a browser shows."""
    return json.loads(text.decode().split("<pre>")[1].split("</pre>")[0])


@pytest.mark.parametrize(
    "step",
    [
        {"do": "fill", "selector": "#user", "value": "alice"},
        {"do": "press", "selector": "#user", "key": "a"},
        {"do": "press", "key": "Tab"},
        {"do": "select", "selector": "#shelf", "values": ["Old"]},
        {"do": "wait", "selector": "#go"},
        {"do": "wait", "selector": "#nobody", "state": "detached"},
        {"do": "wait", "text": "Go"},
        {"do": "wait", "url": "**/store/*"},
        {"do": "wait", "load": "networkidle"},
        {"do": "scroll", "times": 2, "pause": 0},
        {"do": "scroll", "selector": "#go"},
        {"do": "click", "selector": "text=Login"},
        {"do": "click", "selector": "xpath=//h1"},
        {"do": "evaluate", "script": "1 + 1", "name": "two"},
    ],
)
def test_a_step_is_done(visitor: Visitor, lab: Lab, step: dict[str, Any]) -> None:
    found = visitor.once(f"{lab.site}{LOGIN}", steps=[step])

    assert found.error is None
    assert [one["do"] for one in found.steps] == [step["do"]]
    assert found.values == ({"two": 2} if step["do"] == "evaluate" else {})


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            {"do": "click", "selector": "#nobody"},
            "step 1 (click '#nobody'): nothing like it in the page within 0.5 s",
        ),
        (
            {"do": "click", "selector": "input[name=token]"},
            HIDDEN,
        ),
        (
            {"do": "fill", "selector": "h1", "value": "S3cret"},
            "step 1 (fill 'h1'): it is there, but is no field of that kind",
        ),
        ({"do": "click", "selector": "a[["}, "step 1 (click 'a[['): is no selector"),
        (
            {"do": "click", "selector": "xpath=//["},
            "step 1 (click 'xpath=//['): is no selector",
        ),
        (
            {"do": "click", "selector": "text=/(/"},
            "step 1 (click 'text=/(/'): is no selector",
        ),
        (
            {"do": "click", "selector": "role=button[name=/("},
            "step 1 (click 'role=button[name=/('): is no selector",
        ),
        (
            {"do": "click", "selector": "role=button[nam=Go]"},
            "step 1 (click 'role=button[nam=Go]'): is no selector",
        ),
        (
            {"do": "press", "key": "Nokey"},
            "step 1 (press 'Nokey'): there is no such key",
        ),
        (
            {"do": "wait", "url": "**/account?token=S3cret"},
            "step 1 (wait '**/account'): not so within 0.5 s",
        ),
        (
            {"do": "wait", "text": "Nothing"},
            "step 1 (wait 'Nothing'): not so within 0.5 s",
        ),
        (
            {"do": "evaluate", "script": "throw new TypeError('S3cret')"},
            "step 1 (evaluate): the script ended with TypeError",
        ),
        (
            {"do": "evaluate", "script": "'x'.repeat(200000)", "name": "long"},
            "step 1 (evaluate): its value is too large for a result",
        ),
    ],
)
def test_a_step_that_cannot_be_done_is_told_of(
    visitor: Visitor, lab: Lab, step: dict[str, Any], says: str
) -> None:
    found = visitor.once(f"{lab.site}{LOGIN}", steps=[step], step_timeout=0.5)

    assert isinstance(found.error, StepFailed)
    assert str(found.error) == says
    assert found.picture.startswith(b"\x89PNG")


def test_a_step_has_the_time_that_it_names(visitor: Visitor, lab: Lab) -> None:
    step = {"do": "wait", "selector": "#nobody", "timeout": 0.2}

    found = visitor.once(f"{lab.site}{LOGIN}", steps=[step])

    assert "within 0.2 s" in str(found.error)


def test_what_a_click_leads_to_is_waited_for(visitor: Visitor, lab: Lab) -> None:
    steps = [
        {"do": "click", "selector": "text=Page 3"},
        {"do": "html", "name": "page"},
    ]

    found = visitor.once(f"{lab.site}/shop/clicks/1", steps=steps)

    assert found.page.url.endswith("/shop/clicks/3")
    assert b"page 3" in found.files[0].body


def test_a_page_is_as_big_and_where_the_job_says(visitor: Visitor, lab: Lab) -> None:
    script = (
        "[innerWidth, innerHeight, navigator.language, new Intl.DateTimeFormat()"
        ".resolvedOptions().timeZone]"
    )

    found = visitor.once(
        f"{lab.site}/whoami",
        steps=[{"do": "evaluate", "script": script, "name": "where"}],
        viewport={"width": 800, "height": 600},
        locale="de-DE",
        timezone="Europe/Berlin",
    )

    assert found.values == {"where": [800, 600, "de-DE", "Europe/Berlin"]}
    assert _shown(found.page.body)["headers"]["accept-language"].startswith("de-DE")


def test_requests_of_blocked_types_are_not_made(visitor: Visitor, lab: Lab) -> None:
    url = f"{lab.site}/trap/never"

    found = visitor.once(url, block=["image"], timeout=10)

    assert found.error is None


def test_headers_of_a_job_go_to_its_own_origin_alone(
    visitor: Visitor, lab: Lab, other_site: str
) -> None:
    headers = {"X-Api-Key": "K3y", "User-Agent": "not this"}

    own = visitor.once(f"{lab.site}/echo", headers=headers)
    led = visitor.once(f"{lab.site}/redirect-to?url=/echo", headers=headers)
    away = visitor.once(
        f"{lab.site}/redirect-to?url={other_site}/echo", headers=headers
    )

    shown = [_shown(one.page.body)["headers"] for one in (own, led, away)]
    assert [one.get("x-api-key") for one in shown] == ["K3y", "K3y", None]
    assert {one["user-agent"] for one in shown} == {"limpet-test"}


@pytest.fixture
def other_site() -> Iterator[str]:
    """The lab's site once more, on another port."""
    with subprocess.Popen(
        [sys.executable, "-m", "lab.site"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().split()[1]}"
        process.kill()


def test_a_direct_pool_goes_out_from_here(visitor_on: VisitorOn, lab: Lab) -> None:
    found = visitor_on(Proxy("direct", "", 0)).once(f"{lab.site}/whoami")

    assert _shown(found.page.body)["address"] == "127.0.0.1"


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5"])
def test_forms_are_sent_through_a_proxy_with_a_password(
    visitor_on: VisitorOn, lab: Lab, number: int
) -> None:
    proxy = lab.proxies[number]
    steps = [
        {"do": "fill", "selector": "#user", "value": "bob"},
        {"do": "fill", "selector": "#password", "value": "builder"},
        {"do": "press", "selector": "#password", "key": "Enter"},
        {"do": "wait", "url": "**/account"},
    ]

    found = visitor_on(proxy.line).once(f"{lab.site}{LOGIN}", steps=steps)

    assert (found.error, found.title) == (None, "Account")
    assert {one.address for one in lab.visits()} == {proxy.exit_address}
    assert found.traffic.sent > 500
    assert found.traffic.received > 500
