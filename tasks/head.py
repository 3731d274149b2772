"""The head of an answer, read with bounds that http.client lacks."""

import http.client
from http import HTTPStatus
from typing import Any, Final

from tasks.deadline import Stage, current

#: All headers of an answer together; browsers take 256 KB.
_HEAD_MAX: Final = 262_144


class _Head:
    """Reads the head of an answer: bounded, and not taken for whole when it is not.

    http.client has no bound for all headers together, nor for all the ``100 Continue``
    before them, and takes the end of a connection for the end of the headers.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _HEAD_MAX

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        deadline = current.get()
        if line and deadline.stage is Stage.WAIT:
            deadline.stage = Stage.HEAD
        elif not line and deadline.stage is Stage.HEAD:
            raise ConnectionError
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Response(http.client.HTTPResponse):
    """An answer; what may come before it is not taken for it (RFC 9110, section 15.2).

    http.client skips a ``100`` alone. It would end at a ``103 Early Hints``, and have
    the page itself for the next one that is asked for on the same connection.
    """

    def begin(self) -> None:
        file = self.fp
        self.fp = _Head(file)  # type: ignore[assignment] # it reads lines
        try:
            super().begin()
            self._lead_to_one_place()
        finally:
            self.fp = file

    def _lead_to_one_place(self) -> None:
        """Take a redirect's place that is named twice for one; two are no HTTP."""
        said = self.headers.get_all("location", [])
        redirects = HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST
        if len(said) <= 1 or not redirects:
            return
        if len(set(said)) > 1:
            raise http.client.HTTPException
        del self.headers["location"]
        self.headers["location"] = said[0]

    def _read_status(self) -> Any:
        before: Any = super()
        version, status, reason = before._read_status()  # noqa: SLF001 - no other way
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            # Nobody asked for that.
            raise http.client.HTTPException
        if HTTPStatus.CONTINUE < status < HTTPStatus.OK:
            status = HTTPStatus.CONTINUE
        return version, status, reason
