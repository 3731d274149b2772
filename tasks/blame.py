"""Who is at fault when a fetch fails: the proxy, the target, or nobody knows.

`requests` alone cannot tell: through SOCKS every failure is the same ConnectionError,
refused by the proxy or by the target. The answer stands in the chain of causes.
"""

import re
import ssl
from collections.abc import Iterator
from typing import Final

from requests import exceptions as rq
from urllib3 import exceptions as u3

from limpet.errors import Blame, FetchError

#: How much one failure counts against its proxy.
FAULT: Final = {Blame.PROXY: 1.0, Blame.UNKNOWN: 0.5, Blame.TARGET: 0.0}
#: Kinds that another try cannot cure.
FINAL: Final = frozenset(
    {"certificate", "redirects", "redirect_url", "encoding", "url"}
)

#: What a proxy answers to CONNECT when the far side is the trouble, or may be.
_GATEWAY: Final = frozenset({500, 502, 503, 504})
_CONNECT_STATUS: Final = re.compile(r"Tunnel connection failed: (\d{3})")
#: RFC 1928: 3 network unreachable, 4 host unreachable, 5 refused, 6 TTL expired are
#: said of the target; 1, 2, 7 and 8 of the proxy itself.
_SOCKS_REPLY: Final = re.compile(r"0x0([1-8]):")
_SOCKS_TARGET: Final = "3456"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        one = todo.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        seen.append(one)
        yield one
        todo += [getattr(one, "reason", None), getattr(one, "original_error", None)]
        todo += [*one.args, one.__cause__, one.__context__]


def classify(error: Exception, *, socks: bool) -> FetchError:  # noqa: PLR0911 - a table
    """Turn what requests raised into a `FetchError` that names who is to blame."""
    chain = list(_causes(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        return FetchError(Blame.TARGET, "certificate", "the certificate is not valid")
    if isinstance(error, rq.ContentDecodingError | u3.DecodeError):
        return FetchError(Blame.TARGET, "encoding", "the body cannot be decoded")
    if isinstance(error, rq.InvalidURL | rq.InvalidSchema | rq.MissingSchema):
        return FetchError(Blame.TARGET, "url", "not a URL that can be fetched")
    if any(isinstance(one, u3.ReadTimeoutError) for one in chain):
        return FetchError(Blame.UNKNOWN, "timeout", "no answer in time")
    dialling = any(isinstance(one, u3.NewConnectionError) for one in chain)
    text = " ".join(str(one) for one in chain)
    if socks and dialling:
        return _socks(text)
    if any(isinstance(one, u3.ProxyError) for one in chain):
        return _http_proxy(text)
    if any(isinstance(one, u3.ConnectTimeoutError) for one in chain):
        blame = Blame.UNKNOWN if socks else Blame.PROXY
        return FetchError(blame, "timeout", "no connection in time")
    return FetchError(Blame.UNKNOWN, "broken", "the connection broke")


def _socks(text: str) -> FetchError:
    reply = _SOCKS_REPLY.search(text)
    if reply and reply[1] in _SOCKS_TARGET:
        return FetchError(Blame.TARGET, "connect", f"SOCKS reply {reply[1]}")
    if "uthentication" in text:
        return FetchError(Blame.PROXY, "auth", "the proxy refused the credentials")
    return FetchError(Blame.PROXY, "connect", "the proxy cannot be reached")


def _http_proxy(text: str) -> FetchError:
    status = _CONNECT_STATUS.search(text)
    if not status:
        return FetchError(Blame.PROXY, "connect", "the proxy cannot be reached")
    code = int(status[1])
    if code in {401, 407}:
        return FetchError(Blame.PROXY, "auth", f"the proxy answered {code}")
    blame = Blame.UNKNOWN if code in _GATEWAY else Blame.PROXY
    return FetchError(blame, "tunnel", f"the proxy answered {code}")


def made_by_proxy(status: int, headers: dict[str, str]) -> FetchError | None:
    """Judge an answer that came in plain HTTP, where a proxy can speak for a site."""
    if status == 407:  # noqa: PLR2004 - Proxy Authentication Required
        return FetchError(Blame.PROXY, "auth", "the proxy answered 407")
    if status in _GATEWAY and "via" in headers:
        return FetchError(Blame.UNKNOWN, "gateway", f"the proxy answered {status}")
    return None
