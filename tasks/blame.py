"""Who is at fault when a fetch fails: the proxy, the target, or nobody knows.

`requests` alone cannot tell: most failures are the same ConnectionError. The answer
stands in the chain of causes.
"""

import re
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from requests import exceptions as rq
from urllib3 import exceptions as u3

from limpet.errors import Blame, FetchError
from proxies import Outcome
from tasks.socks import SocksError

#: How much one failure counts against its proxy.
FAULT: Final = {Blame.PROXY: 1.0, Blame.UNKNOWN: 0.5, Blame.TARGET: 0.0}
#: Kinds that another try cannot cure.
FINAL: Final = frozenset(
    {"certificate", "redirects", "redirect_url", "encoding", "url"}
)

#: What a proxy answers to CONNECT when the far side is the trouble, or may be.
_GATEWAY: Final = frozenset({500, 502, 503, 504})
_CONNECT_STATUS: Final = re.compile(r"Tunnel connection failed: (\d{3})")


def outcome(error: FetchError) -> tuple[Outcome, float]:
    """What *error* says about the proxy, and how much of a failure it was."""
    weight = FAULT[error.blame]
    if error.kind == "auth":
        return Outcome.REFUSED, weight
    return (Outcome.FAULT if weight else Outcome.NONE), weight


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


def classify(error: Exception) -> FetchError:  # noqa: C901, PLR0911, PLR0912 - a table
    """Turn what requests raised into a `FetchError` that names who is to blame."""
    chain = list(_causes(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        return FetchError(Blame.TARGET, "certificate", "the certificate is not valid")
    if isinstance(error, rq.ContentDecodingError | u3.DecodeError):
        return FetchError(Blame.TARGET, "encoding", "the body cannot be decoded")
    if isinstance(error, rq.InvalidURL | rq.InvalidSchema | rq.MissingSchema):
        return FetchError(Blame.TARGET, "url", "not a URL that can be fetched")
    for one in chain:
        if isinstance(one, SocksError):
            return _socks(one)
    if any(isinstance(one, u3.ReadTimeoutError) for one in chain):
        return FetchError(Blame.UNKNOWN, "timeout", "no answer in time")
    if any(type(one) is u3.ConnectTimeoutError for one in chain):
        return late(dialling=True)
    if any(isinstance(one, u3.ProxyError) for one in chain):
        return _http_proxy(" ".join(map(str, chain)))
    if any(isinstance(one, u3.NewConnectionError) for one in chain):
        return FetchError(Blame.PROXY, "connect", "the proxy cannot be reached")
    if any(
        isinstance(one, rq.RequestException | u3.HTTPError | OSError) for one in chain
    ):
        return FetchError(Blame.UNKNOWN, "broken", "the connection broke")
    return FetchError(Blame.UNKNOWN, "unexpected", unexpected(error))


def unexpected(error: BaseException) -> str:
    """Name an error that nobody foresaw; its own text may hold a password or a page."""
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    )
    return f"{type(error).__name__}{place}"


def late(*, dialling: bool) -> FetchError:
    """What it is when the time is over: *dialling*, the proxy has not answered yet."""
    if dialling:
        return FetchError(Blame.PROXY, "timeout", "no connection in time")
    return FetchError(Blame.UNKNOWN, "timeout", "not done in time")


def _socks(error: SocksError) -> FetchError:
    if error.target:
        return FetchError(Blame.TARGET, "connect", f"SOCKS reply {error.reply}")
    if error.auth:
        return FetchError(Blame.PROXY, "auth", "the proxy refused the credentials")
    return FetchError(Blame.PROXY, "connect", "the proxy does not connect")


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
