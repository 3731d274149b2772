"""What it is when a browser could not do something, in words of ours.

Playwright's own texts hold URLs, values, and logs of the browser: none goes on.
"""

import re
from typing import Final

from playwright.async_api import Error

from limpet.errors import Blame, BrowserFailed, FetchError, InvalidJob, LimpetError
from tasks.blame import classify, late, site_s
from tasks.deadline import Stage

_NET: Final = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_THROWN: Final = re.compile(r"\b([A-Z]\w*Error)\b")
#: What is said of each connection when the machine gets an address, or loses one.
NETWORK_CHANGED: Final = "ERR_NETWORK_CHANGED"
_CLOSED: Final = "has been closed"
_CRASHED: Final = "Target crashed"
_NO_ZONE: Final = "Invalid timezone"
_NO_LOCALE: Final = "Invalid locale"
#: How Playwright passes on what a browser writes as it starts, before it has any page.
_WRITTEN: Final = re.compile(r"\[pid=\d+\]\[err\] (.{1,300})")

#: What Chromium says where the relay had nothing to say: by the beginning of its word.
_KNOWN: Final = (
    ("ERR_CERT", Blame.TARGET, "certificate", "the certificate is not valid"),
    ("ERR_SSL_VERSION", Blame.TARGET, "tls", "the site refused the TLS handshake"),
    ("ERR_SSL", Blame.UNKNOWN, "tls", "what came is no TLS"),
    ("ERR_TOO_MANY_REDIRECTS", Blame.TARGET, "redirects", "too many redirects"),
    ("ERR_CONTENT_DECODING", Blame.TARGET, "encoding", "the body cannot be decoded"),
    ("ERR_INVALID_REDIRECT", Blame.TARGET, "redirect_url", "it leads to no address"),
    ("ERR_UNSAFE_REDIRECT", Blame.TARGET, "redirect_url", "it leads to no web address"),
    ("ERR_INVALID_HTTP", Blame.TARGET, "protocol", "what came is no HTTP"),
    ("ERR_RESPONSE_HEADERS", Blame.TARGET, "protocol", "the headers are no HTTP"),
    ("ERR_HTTP2", Blame.TARGET, "protocol", "what came is no HTTP/2"),
    ("ERR_UNSAFE_PORT", Blame.TARGET, "url", "no browser goes to that port"),
)


def gone(error: Error) -> BrowserFailed | None:
    """Return what *error* is when the page or the browser is not there any more."""
    if _CRASHED in error.message:
        return BrowserFailed("the page")
    if _CLOSED in error.message:
        return BrowserFailed("the browser")
    return None


def not_taken(error: Exception) -> InvalidJob | None:
    """Return what is wrong with the job, if that is why no page opens for it.

    Which time zones and locales there are is known to the browser alone.
    """
    if _NO_LOCALE in str(error):
        return InvalidJob("locale: the browser knows none of that name")
    if _NO_ZONE in str(error):
        return InvalidJob("timezone: the browser knows none of that name")
    return None


def last_words(error: Exception) -> str:
    """Return what a browser that did not start has written first; "" for nothing."""
    found = _WRITTEN.search(str(error))
    return found[1] if found else ""


def net_error(text: str) -> str:
    """Return Chromium's own word for what went wrong on the net, empty for none."""
    found = _NET.search(text)
    return found[1] if found else ""


def thrown(error: Error) -> str:
    """Return which error a script has thrown; what it says may be a secret."""
    found = _THROWN.search(error.message)
    return found[1] if found else "an error"


def navigation(
    word: str, fault: LimpetError | None, *, direct: bool, forwarded: bool
) -> LimpetError:
    """Say why a page did not come; *word* is Chromium's, empty if it was just late.

    *fault* is what the relay has met on the way to the page's own host.
    """
    if fault:
        return fault
    if not word:
        return site_s(late(Stage.WAIT)) if direct else late(Stage.WAIT)
    for begin, blame, kind, detail in _KNOWN:
        if word.startswith(begin):
            known = FetchError(blame, kind, detail)
            if kind == "protocol" and forwarded:
                known = FetchError(Blame.UNKNOWN, kind, detail)
            return site_s(known) if direct else known
    # The rest is an end of the connection that came too early.
    return classify(ConnectionResetError(), Stage.WAIT, direct=direct)
