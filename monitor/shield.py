"""What every answer of Flower's goes through: other websites get nothing out of it.

Tornado's own hook, so it holds for Flower's pages and API as for ours.
"""

from collections.abc import Collection
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

from limpet.settings import Settings
from monitor.guard import is_loopback

_REFUSED: Final = (
    b"This Flower has no login, so it answers only as localhost: set FLOWER_BASIC_AUTH,"
    b" or LIMPET_FLOWER_HOSTS to the name that you use\n"
)


class Shield(OutputTransform):
    """Keeps answers out of frames of other sites, where a click is not what it seems.

    And out of their scripts, which need no more than a name of their own that leads to
    127.0.0.1 for a browser to hand them all that is there: an answer to a name that is
    none of *hosts* is empty. `None`: there is a login, which no browser gives to those.
    """

    def __init__(
        self, request: HTTPServerRequest, *, hosts: Collection[str] | None
    ) -> None:
        name = request.host_name.strip("[]").rstrip(".")
        self._refuses = not (hosts is None or name in hosts or is_loopback(name))

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - Tornado's signature
    ) -> tuple[int, HTTPHeaders, bytes]:
        if self._refuses:
            told = {"Content-Type": "text/plain"}
            if finishing:
                told["Content-Length"] = str(len(_REFUSED))
            return HTTPStatus.MISDIRECTED_REQUEST, HTTPHeaders(told), _REFUSED
        if "X-Frame-Options" not in headers:
            headers["X-Frame-Options"] = "DENY"
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:  # noqa: ARG002, FBT001 - as Tornado calls it
        return b"" if self._refuses else chunk


def shield(settings: Settings, options: Any) -> partial[Shield]:
    """Return what Tornado takes as a transform; *options* are Flower's."""
    login = options.basic_auth or options.auth or options.unix_socket
    named = {one.strip().lower() for one in settings.flower_hosts.split(",")}
    # By these nearly everybody asks; to read any other address takes a while.
    known = {*named - {""}, "localhost", "127.0.0.1", "::1"}
    return partial(Shield, hosts=None if login else known)
