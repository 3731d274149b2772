"""Who is at fault when a fetch fails: the proxy, the target, or nobody knows.

Exceptions alone cannot tell: most failures are the same ConnectionError. How far the
request had come decides (`Stage`), then what stands in the chain of causes. The table
is in docs/fetching.md, and each line of it is a test.
"""

import errno
import http.client
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from requests import exceptions as rq
from urllib3 import exceptions as u3

from limpet.errors import Blame, FetchError, WorkerExhausted
from proxies import Outcome
from tasks.connections import TunnelRefused
from tasks.deadline import Stage
from tasks.socks import SocksError

#: How much one failure counts against its proxy.
FAULT: Final = {
    Blame.PROXY: 1.0,
    Blame.UNKNOWN: 0.5,
    Blame.BLOCK: 1.0,
    Blame.TARGET: 0.0,
}
#: Kinds that another try cannot cure.
FINAL: Final = frozenset(
    {"certificate", "redirects", "redirect_url", "encoding", "url"}
)

#: What a proxy answers when the far side is the trouble, or may be.
GATEWAY: Final = frozenset({500, 502, 503, 504})
#: Bad credentials; tinyproxy says 401 where others say 407.
_AUTH: Final = frozenset({401, 407})
_PROXY_SERVERS: Final = ("tinyproxy", "squid", "privoxy", "ccproxy", "3proxy", "mproxy")
#: ``Via`` of those that stand before sites: an error that they make is the site's.
_SITE_SIDE: Final = ("varnish", "cloudfront", "google", "vegur", "akamai", "fastly")

#: What the system says when it is this worker that is out of something.
_OURS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)

_Chain = list[BaseException]


def outcome(error: FetchError) -> tuple[Outcome, float]:
    """What *error* says about the proxy, and how much of a failure it was."""
    weight = FAULT[error.blame]
    if error.blame is Blame.BLOCK:
        return Outcome.BLOCKED, weight
    if error.kind == "auth":
        return Outcome.REFUSED, weight
    return (Outcome.FAULT if weight else Outcome.NONE), weight


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and all that it was made from."""
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


def exhausted(error: BaseException) -> WorkerExhausted | None:
    """Return what *error* is when the worker itself had no socket to fetch with."""
    for one in causes(error):
        if isinstance(one, OSError) and one.errno in _OURS:
            return WorkerExhausted(f"sockets ({errno.errorcode[one.errno]})")
    return None


def classify(
    error: BaseException,
    stage: Stage = Stage.START,
    *,
    direct: bool = False,
    forwarded: bool = False,
) -> FetchError:
    """Turn what was raised at *stage* into a `FetchError` that names who is to blame.

    *direct*: there was no proxy. *forwarded*: the proxy reads and writes the very
    request and answer, as HTTP proxies do for http:// URLs.
    """
    chain = list(causes(error))
    if not _of_the_net(chain):
        return FetchError(Blame.UNKNOWN, "unexpected", unexpected(error))
    if isinstance(error, rq.InvalidURL | rq.InvalidSchema | rq.MissingSchema):
        return FetchError(Blame.TARGET, "url", "not a URL that can be fetched")
    judged = late(stage) if _timed_out(chain) else _AT.get(stage, _broken)(chain, stage)
    if judged.kind == "protocol" and forwarded:
        judged = FetchError(Blame.UNKNOWN, judged.kind, judged.detail)
    return site_s(judged) if direct else judged


def site_s(error: FetchError) -> FetchError:
    """Blame the target: without a proxy there is nobody else."""
    return FetchError(Blame.TARGET, error.kind, error.detail.replace("proxy", "site"))


def late(stage: Stage) -> FetchError:
    """What it is when the time is over at *stage*."""
    if stage is Stage.NAME:
        return FetchError(Blame.TARGET, "connect", "the site's name was not found")
    if stage in {Stage.DIAL, Stage.PROXY_TLS}:
        return FetchError(Blame.PROXY, "timeout", f"no connection in time, {stage}")
    return FetchError(Blame.UNKNOWN, "timeout", f"not done in time, {stage}")


def unexpected(error: BaseException) -> str:
    """Name an error that nobody foresaw; its own text may hold a password or a page."""
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    )
    return f"{type(error).__name__}{place}"


def _of_the_net(chain: _Chain) -> bool:
    kinds = (rq.RequestException, u3.HTTPError, OSError, http.client.HTTPException)
    return any(isinstance(one, kinds) for one in chain)


def _timed_out(chain: _Chain) -> bool:
    # NewConnectionError is a ConnectTimeoutError by its class alone.
    return any(
        isinstance(one, u3.ReadTimeoutError | TimeoutError)
        or type(one) is u3.ConnectTimeoutError
        for one in chain
    )


def _name(_chain: _Chain, _stage: Stage) -> FetchError:
    return FetchError(Blame.TARGET, "connect", "the site's name leads nowhere")


def _dial(chain: _Chain, _stage: Stage) -> FetchError:
    if any(isinstance(one, socket.gaierror) for one in chain):
        return FetchError(Blame.PROXY, "connect", "the proxy's name leads nowhere")
    return FetchError(Blame.PROXY, "connect", "the proxy cannot be reached")


def _proxy_tls(_chain: _Chain, _stage: Stage) -> FetchError:
    return FetchError(Blame.PROXY, "tls", "no TLS connection to the proxy")


def _tunnel(chain: _Chain, _stage: Stage) -> FetchError:
    for one in chain:
        if isinstance(one, TunnelRefused):
            return tunnel_status(one.status)
    return FetchError(Blame.PROXY, "tunnel", "the proxy did not answer CONNECT in HTTP")


def tunnel_status(status: int) -> FetchError:
    """What it is when the proxy answers CONNECT with *status*."""
    if status in _AUTH:
        return FetchError(Blame.PROXY, "auth", f"the proxy answered {status}")
    blame = Blame.UNKNOWN if status in GATEWAY else Blame.PROXY
    return FetchError(blame, "tunnel", f"the proxy answered {status}")


def _socks(chain: _Chain, _stage: Stage) -> FetchError:
    error = next((one for one in chain if isinstance(one, SocksError)), SocksError())
    if error.target:
        return FetchError(Blame.TARGET, "connect", f"SOCKS reply {error.reply}")
    if error.auth:
        return FetchError(Blame.PROXY, "auth", "the proxy refused the credentials")
    reply = f" (reply {error.reply})" if error.reply else ""
    return FetchError(Blame.PROXY, "connect", f"the proxy does not connect{reply}")


def _tls(chain: _Chain, stage: Stage) -> FetchError:
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return FetchError(
                Blame.TARGET, "certificate", "the certificate is not valid"
            )
        if isinstance(one, ssl.SSLError) and "ALERT" in str(one.reason):
            return FetchError(Blame.TARGET, "tls", "the site refused the TLS handshake")
        if isinstance(one, ssl.SSLError) and not isinstance(one, ssl.SSLEOFError):
            # Bytes that are no TLS may come from either of the two.
            return FetchError(Blame.UNKNOWN, "tls", "what came is no TLS")
    return _broken(chain, stage)


def _answer(chain: _Chain, stage: Stage) -> FetchError:
    garbled = (http.client.HTTPException, u3.InvalidHeader)
    closed = (http.client.RemoteDisconnected, http.client.IncompleteRead)
    for one in chain:
        if isinstance(one, garbled) and not isinstance(one, closed):
            return FetchError(
                Blame.TARGET, "protocol", f"what came is no HTTP, {stage}"
            )
    return _broken(chain, stage)


def _body(chain: _Chain, stage: Stage) -> FetchError:
    if any(isinstance(one, rq.ContentDecodingError | u3.DecodeError) for one in chain):
        return FetchError(Blame.TARGET, "encoding", "the body cannot be decoded")
    return _broken(chain, stage)


def _broken(_chain: _Chain, stage: Stage) -> FetchError:
    return FetchError(Blame.UNKNOWN, "broken", f"the connection broke, {stage}")


_AT: Final[dict[Stage, Callable[[_Chain, Stage], FetchError]]] = {
    Stage.NAME: _name,
    Stage.DIAL: _dial,
    Stage.PROXY_TLS: _proxy_tls,
    Stage.TUNNEL: _tunnel,
    Stage.SOCKS: _socks,
    Stage.TLS: _tls,
    Stage.WAIT: _answer,
    Stage.HEAD: _answer,
    Stage.BODY: _body,
}


def made_by_proxy(status: int, headers: Mapping[str, str]) -> FetchError | None:
    """Judge an answer that came in plain HTTP, where a proxy can speak for a site."""
    if status == 407 or (status == 401 and _signed(headers)):  # noqa: PLR2004 - see _AUTH
        return FetchError(Blame.PROXY, "auth", f"the proxy answered {status}")
    if status in GATEWAY and (_signed(headers) or _one_via(headers)):
        return FetchError(Blame.UNKNOWN, "gateway", f"the proxy answered {status}")
    if status >= 400 and "x-squid-error" in headers:  # noqa: PLR2004 - errors
        return FetchError(Blame.PROXY, "refused", f"the proxy answered {status}")
    return None


def _signed(headers: Mapping[str, str]) -> bool:
    server = headers.get("server", "").lower()
    return "x-squid-error" in headers or server.startswith(_PROXY_SERVERS)


def _one_via(headers: Mapping[str, str]) -> bool:
    """Whether a proxy has written this answer, not just passed it on.

    One that passes it on adds its name too; but then a server has its own in it.
    """
    via = headers.get("via", "").lower()
    alone = bool(via) and "," not in via and "server" not in headers
    return alone and not any(one in via for one in _SITE_SIDE)
