"""Answers that are no page: the target refuses this proxy, or wants to see a human.

What is looked at is cheap: the status, a few headers, and plain substrings in the first
64 KB (case-insensitive regular expressions took twenty times as long).
"""

import email.utils
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from functools import lru_cache
from typing import Any, Final, Self
from urllib.parse import urlsplit

from limpet.jobs.blocks import SEARCHED, BlockRules, compiled, read_rules
from limpet.settings import Settings
from tasks.charsets import decoded
from tasks.page import Block, Page

#: 403 and 429 say it; 430 is Shopify's 429, 999 LinkedIn's 403.
_STATUSES: Final = frozenset({403, 429, 430, 999})
_UNAVAILABLE: Final = 503
#: With a Retry-After these are for all who ask; others are for this visitor.
_LIMITS: Final = frozenset({429, _UNAVAILABLE})
_ERRORS: Final = 400
#: Pages that only a challenge is made of, or a refusal.
_CHALLENGES: Final = (
    (b"<title>just a moment", "cloudflare"),
    (b"/orchestrate/chl_page", "cloudflare"),
    (b"cf-chl-", "cloudflare"),
    (b"geo.captcha-delivery.com", "datadome"),
    (b"px-captcha", "perimeterx"),
    (b"errors.edgesuite.net", "akamai"),
    (b"unusual traffic from your computer", "human check"),
    (b"verify you are human", "human check"),
    (b"are you a robot?", "human check"),
)
#: What honest pages hold too, a login form for one: a sign on errors and small pages.
_WIDGETS: Final = (
    (b"challenges.cloudflare.com", "cloudflare"),
    (b"_incapsula_resource", "incapsula"),
    (b"aws-waf-token", "aws waf"),
    (b"g-recaptcha", "captcha"),
    (b"hcaptcha.com/1/api", "captcha"),
    (b"h-captcha", "captcha"),
    (b"cf-turnstile", "captcha"),
)
#: A page around a captcha alone is smaller than that.
_SMALL: Final = 20_000
#: A site that asks for more than the longest cool-down of a proxy is not believed.
RETRY_AFTER_MAX: Final = 3600.0


class Blocks:
    """The detection with an installation's own rules per domain."""

    def __init__(self, rules: Mapping[str, BlockRules] | None = None) -> None:
        self._rules = dict(rules or {})

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(read_rules(settings.block_rules))

    def rules(self, url: str, job: BlockRules | None = None) -> BlockRules:
        """Return what holds for *url*: the *job*'s, then the nearest domain's."""
        labels = (urlsplit(url).hostname or "").split(".")
        held = job or BlockRules()
        for name in (*(".".join(labels[n:]) for n in range(len(labels))), "*"):
            if rules := self._rules.get(name):
                held = held.over(rules)
        return held

    def judge(self, page: Page, job: BlockRules | None = None) -> Page:
        """Return *page*, marked if it is a block."""
        reason = _reason(page, self.rules(page.url, job))
        if not reason:
            return page
        wait = retry_after(page.headers.get("retry-after"))
        limits = bool(wait) and page.status in _LIMITS
        return replace(page, block=Block(reason, wait, limits))


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Read a ``Retry-After`` header: seconds to wait, or the date of the next try.

    At most `RETRY_AFTER_MAX`; `None` when there is none, or it says nothing.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(RETRY_AFTER_MAX, float(text[:9]))
    try:
        moment = email.utils.parsedate_to_datetime(text)
        due = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, min(RETRY_AFTER_MAX, due - (time.time() if now is None else now)))


def domain_of(url: str) -> str:
    """Return what a block of *url* is held against: its host, without ``www.``."""
    return (urlsplit(url).hostname or "").rstrip(".").removeprefix("www.")


def _reason(page: Page, rules: BlockRules) -> str:
    text = _text(page, rules)
    if any(one.casefold() in text.casefold() for one in rules.not_substrings):
        return ""
    if found := next(_matches(text, rules), ""):
        return found
    if page.status in rules.statuses:
        return f"status {page.status}"
    return (_sign(page) or _status(page, rules)) if rules.detect else ""


def _sign(page: Page) -> str:
    if page.headers.get("cf-mitigated") == "challenge":
        return "challenge: cloudflare"
    if not _may_be_text(page):
        return ""
    head = page.body[:SEARCHED].lower()
    small = len(page.body) < _SMALL and not page.truncated
    widgets = _WIDGETS if page.status >= _ERRORS or small else ()
    for sign, name in (*_CHALLENGES, *widgets):
        if sign in head:
            return f"challenge: {name}"
    return ""


def _status(page: Page, rules: BlockRules) -> str:
    if page.status in rules.not_statuses:
        return ""
    limited = page.status == _UNAVAILABLE and "retry-after" in page.headers
    return f"status {page.status}" if page.status in _STATUSES or limited else ""


def _text(page: Page, rules: BlockRules) -> str:
    """Return what the rules' texts are looked for in; decoding costs, so if need be."""
    wanted = rules.substrings or rules.not_substrings or rules.regexes
    if not wanted or not _may_be_text(page):
        return ""
    return decoded(page.content_type, page.body[:SEARCHED])


def _matches(text: str, rules: BlockRules) -> Iterator[str]:
    if not text:
        return
    folded = text.casefold()
    for n, one in enumerate(rules.substrings, start=1):
        if one.casefold() in folded:
            yield f"rule: substring {n}"
    for n, pattern in enumerate(rules.regexes, start=1):
        if _compiled(pattern).search(text):
            yield f"rule: regex {n}"


def _may_be_text(page: Page) -> bool:
    kind = page.content_type.lower()
    return not kind or any(word in kind for word in ("text", "html", "json", "xml"))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    return compiled(pattern)
