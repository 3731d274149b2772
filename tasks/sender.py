"""One signed POST to a receiver of webhooks, within a deadline."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import requests

from limpet.errors import AddressRefused
from tasks.connections import Adapter
from tasks.deadline import Deadline, Watchdog
from tasks.guard import Guard

#: Read, so that a receiver that answers at length can finish; beyond that it is cut.
_ANSWER_MAX: Final = 65_536
#: No receiver may put its webhooks off for longer, in seconds.
_RETRY_AFTER_MAX: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: *text* is for people, without an address.

    *status* is `None` when there was no answer; *final* says that another try is not
    wanted; *retry_after* is in seconds.
    """

    text: str
    status: int | None = None
    final: bool = False
    retry_after: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status is not None and HTTPStatus(200) <= self.status < 300  # noqa: PLR2004 - 2xx


def signature(body: bytes, secrets: Sequence[str], at: int) -> str:
    """Return ``t=<Unix time>,v1=<hex>``, with a ``v1`` for each of *secrets*.

    Each is the HMAC-SHA256 over ``<t>.<body>``.
    """
    signed = b"%d.%s" % (at, body)
    made = (hmac.new(one.encode(), signed, hashlib.sha256) for one in secrets)
    return ",".join([f"t={at}", *(f"v1={one.hexdigest()}" for one in made)])


class Sender:
    """Sends to receivers that *guard* allows; a redirect is not followed.

    Before each try the URL is judged, and within it what its name leads to: just that
    is connected to.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        guard: Guard,
        user_agent: str,
        ca_file: str = "",
    ) -> None:
        self._secrets = secrets
        self._guard = guard
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._watchdog = Watchdog()

    def post(self, url: str, body: bytes, delivery: str, *, timeout: float) -> Answer:
        """Send *body* under the id *delivery*; never raises for what a receiver does.

        *timeout* is in seconds, and for everything: look-up, TLS, a slow answer.
        """
        if not self._secrets:
            return Answer("there is no LIMPET_WEBHOOK_SECRET to sign with")
        with self._watchdog.deadline(timeout) as deadline:
            try:
                self._guard.check(url)
                return self._send(url, body, delivery, deadline)
            except AddressRefused as error:
                return Answer(str(error), final=True)
            except Exception as error:  # noqa: BLE001 - its text may hold the URL
                return Answer(_reason(error, deadline))

    def _send(self, url: str, body: bytes, delivery: str, deadline: Deadline) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "X-Limpet-Delivery": delivery,
            "X-Limpet-Signature": signature(body, self._secrets, int(time.time())),
        }
        request = requests.Request("POST", url, data=body, headers=headers).prepare()
        # The adapter alone: a session would read redirects, .netrc and proxies.
        adapter = Adapter(self._guard, self._ca_file)
        try:
            answer = adapter.send(request, stream=True, timeout=deadline.left + 1)
            if deadline.over:
                raise TimeoutError
            _finish(answer)
        finally:
            adapter.close()
        status = answer.status_code
        return Answer(
            f"the receiver answered {status}",
            status=status,
            final=status == HTTPStatus.GONE,
            retry_after=_retry_after(answer.headers.get("Retry-After", "")),
        )


def _finish(answer: requests.Response) -> None:
    try:
        left = _ANSWER_MAX
        while left > 0 and (chunk := answer.raw.read1(left)):
            left -= len(chunk)
    except Exception:  # noqa: BLE001, S110 - the status has said it all
        pass
    finally:
        answer.close()


def _reason(error: Exception, deadline: Deadline) -> str:
    if deadline.over:
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "it cannot be reached, or broke the connection"
    return type(error).__name__


def _retry_after(text: str) -> float:
    """Read seconds or a date (RFC 9110, 10.2.3); what is neither is nothing."""
    try:
        seconds = float(text) if text.strip().isdecimal() else _until(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), _RETRY_AFTER_MAX)


def _until(text: str) -> float:
    moment = parsedate_to_datetime(text)
    return (
        moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)
    ).total_seconds()
