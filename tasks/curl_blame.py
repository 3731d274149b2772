"""Who is at fault by what libcurl says: the same table as in `tasks.blame`.

It names an error by a code, how far the request had come by the times of its steps,
and what a SOCKS proxy answered by a code of its own.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from curl_cffi import Curl, CurlECode, CurlInfo

from limpet.errors import Blame, FetchError, WorkerExhausted
from proxies import Proxy
from tasks.blame import late, site_s, tunnel_status
from tasks.deadline import Stage

#: ``CURLPX_…``: what of a SOCKS proxy's answers is the target's: refused, host and
#: network unreachable, TTL expired, and a name that it cannot look up.
_TARGET: Final = frozenset({19, 21, 22, 24, 27})
#: No log-in that both know, and a refused one.
_AUTH: Final = frozenset({12, 33})

_NO_HTTP: Final = frozenset(
    {
        CurlECode.WEIRD_SERVER_REPLY,
        CurlECode.UNSUPPORTED_PROTOCOL,
        CurlECode.HTTP2,
        CurlECode.HTTP2_STREAM,
        CurlECode.TOO_LARGE,
    }
)
_CLOSED: Final = frozenset(
    {
        CurlECode.GOT_NOTHING,
        CurlECode.SEND_ERROR,
        CurlECode.RECV_ERROR,
        CurlECode.PARTIAL_FILE,
        CurlECode.SSL_CONNECT_ERROR,
    }
)
_DIALS: Final = frozenset({CurlECode.COULDNT_RESOLVE_PROXY, CurlECode.COULDNT_CONNECT})
#: What libcurl says when it cannot even begin.
_UNMADE: Final = frozenset({CurlECode.FAILED_INIT, CurlECode.OUT_OF_MEMORY})
_OK: Final = 200


def blamed(
    curl: Curl, code: int, proxy: Proxy, url: str, *, begun: bool
) -> FetchError | WorkerExhausted:
    """Turn an error *code* of a request through *proxy* into one that names a side.

    *begun* says that an answer had begun to come.
    """
    if code == CurlECode.URL_MALFORMAT:
        # Nothing was dialled, so it is nobody else's.
        return FetchError(Blame.TARGET, "url", "not a URL that can be fetched")
    step = _Step(curl, proxy, tls=urlsplit(url).scheme == "https", begun=begun)
    if code in _UNMADE or (code == CurlECode.COULDNT_CONNECT and step.undialled):
        return WorkerExhausted("sockets")
    judged = _judged(step, code)
    return site_s(judged) if proxy.direct else judged


class _Step:
    """How far a request had come."""

    def __init__(self, curl: Curl, proxy: Proxy, *, tls: bool, begun: bool) -> None:
        self._curl = curl
        self.socks = proxy.scheme.startswith("socks")
        self.forwarded = proxy.scheme in {"http", "https"} and not tls
        self.tunnelled = proxy.scheme in {"http", "https"} and tls
        self.tunnel = self._number(CurlInfo.HTTP_CONNECTCODE)
        self.proxy_error = self._number(CurlInfo.PROXY_ERROR)
        self.bad_proxy_certificate = self._number(CurlInfo.PROXY_SSL_VERIFYRESULT)
        # libcurl keeps to itself why it got no socket; why a dial fails it says.
        silent = not (
            self.tunnel or self.proxy_error or self._number(CurlInfo.OS_ERRNO)
        )
        self.undialled = silent and not self._number(CurlInfo.NUM_CONNECTS)
        self.stage = Stage.BODY if begun else self._stage(proxy, tls=tls)

    def _number(self, name: Any) -> float:
        value = self._curl.getinfo(name)
        return value if isinstance(value, int | float) else 0

    def _stage(self, proxy: Proxy, *, tls: bool) -> Stage:
        if not self._number(CurlInfo.NUM_CONNECTS):
            kept = self._number(CurlInfo.LOCAL_PORT) > 0
            return Stage.WAIT if kept else Stage.DIAL
        secured = self._number(CurlInfo.APPCONNECT_TIME)
        steps = (
            (Stage.TUNNEL, self.tunnelled and self.tunnel != _OK),
            (Stage.SOCKS, self.socks and not self._number(CurlInfo.CONNECT_TIME)),
            (Stage.TLS, tls and not secured),
            (Stage.PROXY_TLS, proxy.scheme == "https" and not secured),
        )
        return next((stage for stage, waits in steps if waits), Stage.WAIT)


def _judged(step: _Step, code: int) -> FetchError:  # noqa: PLR0911 - a table
    if code == CurlECode.OPERATION_TIMEDOUT:
        return late(step.stage)
    if code == CurlECode.PEER_FAILED_VERIFICATION:
        return _certificate(step)
    if step.proxy_error:
        return _socks(int(step.proxy_error))
    if step.tunnel not in {0, _OK}:
        return tunnel_status(int(step.tunnel))
    if code in _DIALS or step.stage is Stage.DIAL:
        return FetchError(Blame.PROXY, "connect", "the proxy cannot be reached")
    if step.stage is Stage.PROXY_TLS:
        return FetchError(Blame.PROXY, "tls", "no TLS connection to the proxy")
    if step.stage is Stage.TUNNEL:
        what = "the proxy did not answer CONNECT in HTTP"
        return FetchError(Blame.PROXY, "tunnel", what)
    return _later(step, code)


def _later(step: _Step, code: int) -> FetchError:
    if code in {CurlECode.BAD_CONTENT_ENCODING, CurlECode.WRITE_ERROR}:
        return FetchError(Blame.TARGET, "encoding", "the body cannot be decoded")
    if code in _NO_HTTP:
        blame = Blame.UNKNOWN if step.forwarded else Blame.TARGET
        return FetchError(blame, "protocol", f"what came is no HTTP, {step.stage}")
    if code in _CLOSED:
        kind = "tls" if code == CurlECode.SSL_CONNECT_ERROR else "broken"
        return FetchError(Blame.UNKNOWN, kind, f"the connection broke, {step.stage}")
    return FetchError(Blame.UNKNOWN, "unexpected", f"libcurl error {code}")


def _certificate(step: _Step) -> FetchError:
    if step.bad_proxy_certificate:
        return FetchError(Blame.PROXY, "tls", "no TLS connection to the proxy")
    return FetchError(Blame.TARGET, "certificate", "the certificate is not valid")


def _socks(answer: int) -> FetchError:
    if answer in _TARGET:
        return FetchError(Blame.TARGET, "connect", "the proxy cannot reach the site")
    if answer in _AUTH:
        return FetchError(Blame.PROXY, "auth", "the proxy refused the credentials")
    return FetchError(Blame.PROXY, "connect", "the proxy does not connect")
