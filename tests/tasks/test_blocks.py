"""Which answers are no page."""

import json
import pickle
from email.utils import formatdate
from pathlib import Path

import pytest
from pydantic import ValidationError

from limpet.errors import Blame
from limpet.jobs import BlockRules
from limpet.settings import Settings
from tasks.blocks import Blocks, domain_of, retry_after
from tasks.page import Block, Page

HTML = {"content-type": "text/html; charset=utf-8"}


def page(
    status: int = 200, body: str = "a page", headers: dict[str, str] | None = None
) -> Page:
    held = {**HTML, **(headers or {})}
    return Page("https://shop.example/x", status, held, body.encode())


def verdict(
    one: Page, job: BlockRules | None = None, book: Blocks | None = None
) -> str:
    block = (book or Blocks()).judge(one, job).block
    return block.reason if block else ""


@pytest.mark.parametrize("status", [403, 429, 430, 999])
def test_some_statuses_say_it(status: int) -> None:
    assert verdict(page(status)) == f"status {status}"


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 407, 410, 451, 500, 502])
def test_others_are_of_the_target(status: int) -> None:
    assert verdict(page(status)) == ""


def test_a_503_is_one_when_it_says_when_to_come_back_or_shows_a_challenge() -> None:
    assert verdict(page(503)) == ""
    assert verdict(page(503, headers={"retry-after": "5"})) == "status 503"
    challenge = page(503, "<title>Just a moment...</title>")
    assert verdict(challenge) == "challenge: cloudflare"


@pytest.mark.parametrize(
    ("sign", "name"),
    [
        ("<TITLE>Just a moment...</TITLE>", "cloudflare"),
        ("/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1", "cloudflare"),
        ("https://geo.captcha-delivery.com/captcha/?x", "datadome"),
        ('<div id="px-captcha">', "perimeterx"),
        ("https://errors.edgesuite.net/18.1", "akamai"),
        ("Our systems have detected unusual traffic from your computer", "human check"),
        ("Please verify you are human", "human check"),
    ],
)
def test_a_challenge_is_one_whatever_the_status_and_the_size(
    sign: str, name: str
) -> None:
    for one in (page(200, sign), page(200, sign + "x" * 50_000), page(404, sign)):
        assert verdict(one) == f"challenge: {name}"


@pytest.mark.parametrize(
    "widget",
    [
        '<div class="g-recaptcha">',
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        '<script src="/_Incapsula_Resource?SWJIYLWA=1">',
        "window.gokuProps; aws-waf-token",
    ],
)
def test_a_captcha_on_a_large_page_is_part_of_it(widget: str) -> None:
    large = widget + "x" * 50_000

    assert verdict(page(200, large)) == ""
    assert verdict(page(200, widget)).startswith("challenge: ")
    assert verdict(page(400, large)).startswith("challenge: ")
    cut = Page("https://shop.example/", 200, HTML, widget.encode(), truncated=True)
    assert verdict(cut) == "", "it was larger than what was asked for"


def test_only_the_first_64_kb_of_text_are_searched() -> None:
    late = "x" * 70_000 + "<title>just a moment"
    picture = Page(
        "https://x.example/", 200, {"content-type": "image/png"}, b"px-captcha"
    )

    assert verdict(page(200, late)) == ""
    assert verdict(picture) == ""
    assert verdict(page(200, headers={"cf-mitigated": "challenge"}))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("999999", 3600),
        ("9" * 400, 3600),
        (formatdate(1_000_060, usegmt=True), 60),
        (formatdate(1_000_000 + 10**6, usegmt=True), 3600),
        (formatdate(900_000, usegmt=True), 0),
        ("Mon, 12 Jan 1970 13:47:40 -0000", 60),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Mon, 99 Foo 2099 99:99:99 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, now=1_000_000) == seconds


def test_a_block_says_when_to_come_back_and_becomes_an_error() -> None:
    judged = Blocks().judge(page(429, headers={"retry-after": "17"}))

    assert judged.block == Block("status 429", 17, limits=True)
    error = judged.block.error()
    assert (error.blame, error.kind, error.retry_after) == (Blame.BLOCK, "blocked", 17)
    assert pickle.loads(pickle.dumps(error)).retry_after == 17
    assert str(error) == "blocked (blame: block): status 429"


def test_who_is_banned_for_a_time_does_not_wait_for_it() -> None:
    judged = Blocks().judge(page(403, headers={"retry-after": "17"}))

    assert judged.block == Block("status 403", 17, limits=False)
    assert judged.block.error().retry_after is None


def test_a_job_adds_rules_and_takes_others_away() -> None:
    job = BlockRules(
        statuses=(404,),
        not_statuses=(403,),
        substrings=("Zugriff VERWEIGERT", "доступ"),
        regexes=(r"error \d{4,}",),
        not_substrings=("welcome back",),
    )

    assert verdict(page(404), job) == "status 404"
    assert verdict(page(403), job) == ""
    assert verdict(page(200, "zugriff verweigert"), job) == "rule: substring 1"
    assert verdict(page(200, "ДОСТУП закрыт"), job) == "rule: substring 2"
    assert verdict(page(200, "Error 1020"), job) == "rule: regex 1"
    assert verdict(page(404, "Welcome back, error 1020"), job) == ""
    assert verdict(page(429), job) == "status 429"


def test_detection_can_be_left_to_the_rules_alone() -> None:
    job = BlockRules(detect=False, statuses=(418,))

    assert verdict(page(403, "<title>just a moment"), job) == ""
    assert verdict(page(418), job) == "status 418"


def test_rules_of_a_domain_hold_below_it_and_the_job_s_hold_above() -> None:
    book = Blocks(
        {
            "example": BlockRules(statuses=(404,)),
            "shop.example": BlockRules(not_statuses=(403, 404)),
            "*": BlockRules(substrings=("go away",)),
        }
    )

    assert verdict(page(404), book=book) == ""
    assert verdict(page(403), book=book) == ""
    assert verdict(page(403), BlockRules(statuses=(403,)), book) == "status 403"
    assert verdict(page(200, "Go away!"), book=book) == "rule: substring 1"
    other = Page("https://a.b.example/", 404, HTML, b"")
    assert verdict(other, book=book) == "status 404"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"regexes": ["("]}, "regexes"),
        ({"regexes": [r"(a)\1"]}, "regexes"),
        ({"regexes": ["(?=a)"]}, "regexes"),
        ({"regexes": ["x" * 201]}, "regexes"),
        ({"regexes": ["(a{1000}){1000}"]}, "regexes"),
        ({"statuses": [99]}, "statuses"),
        ({"substrings": ["a"]}, "substrings"),
        ({"substrings": ["abc"] * 51}, "substrings"),
        ({"satuses": [403]}, "satuses"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rules: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        BlockRules.model_validate(rules)

    book = json.dumps({"shop.example": rules})
    with pytest.raises(ValidationError, match=rf"shop\.example\.{field}"):
        Settings(_env_file=None, block_rules=book)


def test_a_regex_that_would_take_for_ever_does_not() -> None:
    evil = BlockRules(regexes=("(a+)+$", "(a|aa)*b", "(.*)*x"))

    assert verdict(page(200, "a" * 65_000 + "!"), evil) == ""


def test_rules_come_from_json_or_a_file(tmp_path: Path) -> None:
    text = '{"Shop.example": {"statuses": [404]}}'
    file = tmp_path / "rules.json"
    file.write_text(text)

    for value in (text, str(file)):
        book = Blocks.of(Settings(_env_file=None, block_rules=value))
        assert verdict(page(404), book=book) == "status 404"


@pytest.mark.parametrize("value", ["{", "[]", "/no/such/file", '{"a": 1}'])
def test_rules_that_are_none_are_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValidationError, match="block_rules"):
        Settings(_env_file=None, block_rules=value)


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.shop.example/x", "shop.example"),
        ("https://WWW.Shop.Example.:8443/", "shop.example"),
        ("http://127.0.0.1:1/", "127.0.0.1"),
    ],
)
def test_a_block_is_held_against_the_host(url: str, domain: str) -> None:
    assert domain_of(url) == domain
