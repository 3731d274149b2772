"""One delivery: signed, within its time, and wherever it is told, not further."""

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from lab import Lab
from tasks.guard import Guard
from tasks.sender import Sender, signature

if TYPE_CHECKING:
    from tests.webhooks.conftest import Receiver

SECRET, OLD = "a-secret-of-the-test", "its-older-one-of-before"
BODY = '{"job":"1","é":"☃"}'.encode()
Verify = Callable[..., bool]


#: The receivers of these tests are on loopback, which is private.
OPEN = Guard.allowing("127.0.0.0/8")


def _sender(*secrets: str, guard: Guard = OPEN) -> Sender:
    return Sender(secrets or (SECRET,), guard=guard, user_agent="limpet-test")


def test_a_receiver_can_verify_what_it_gets(
    receiver: "Receiver", verify: Verify
) -> None:
    answer = _sender().post(receiver.url, BODY, "d-1", timeout=10)

    [sent] = receiver.sent
    assert (answer.ok, answer.status) == (True, 200)
    assert sent.path == "/hooks/P4thS3cret?token=Qu3ryS3cret"
    assert sent.body == BODY
    assert sent.delivery == "d-1"
    assert sent.headers["content-type"] == "application/json"
    header = sent.headers["x-limpet-signature"]
    assert verify(sent.body, header, SECRET)
    assert not verify(sent.body + b" ", header, SECRET)
    assert not verify(sent.body, header, OLD)
    assert not verify(sent.body, header.replace("t=", "t=1"), SECRET)


@pytest.mark.parametrize("header", ["", "t=", "t=x,v1=y", "v1=é", "t=²,v1=", "t=-1"])
def test_the_example_refuses_what_is_no_signature(verify: Verify, header: str) -> None:
    assert not verify(BODY, header, SECRET)


def test_an_old_copy_is_refused(verify: Verify) -> None:
    now = int(time.time())

    assert verify(BODY, signature(BODY, [SECRET], now - 200), SECRET)
    assert not verify(BODY, signature(BODY, [SECRET], now - 400), SECRET)


def test_two_secrets_sign_while_one_replaces_the_other(
    receiver: "Receiver", verify: Verify
) -> None:
    _sender(SECRET, OLD).post(receiver.url, BODY, "d-1", timeout=10)

    [sent] = receiver.sent
    header = sent.headers["x-limpet-signature"]
    assert header.count("v1=") == 2
    assert verify(BODY, header, SECRET)
    assert verify(BODY, header, OLD)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, "taken"),
        (204, "taken"),
        (302, "again"),
        (404, "again"),
        (410, "never"),
        (429, "again"),
        (500, "again"),
    ],
)
def test_a_status_says_how_it_goes_on(
    receiver: "Receiver", status: int, means: str
) -> None:
    receiver.answers = [(status, {"Location": "/elsewhere"})]

    answer = _sender().post(receiver.url, BODY, "d", timeout=10)

    assert answer.status == status
    assert (answer.ok, answer.final) == (means == "taken", means == "never")
    assert answer.text == f"the receiver answered {status}"
    assert len(receiver.sent) == 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("9" * 400, 86_400, 86_400),
        ("Fri, 01 Jan 2021 00:00:00 GMT", 0, 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400, 86_400),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("", 0, 0),
    ],
)
def test_a_receiver_may_say_when_to_come_again(
    receiver: "Receiver", text: str, least: float, most: float
) -> None:
    receiver.answers = [(503, {"Retry-After": text})]

    answer = _sender().post(receiver.url, BODY, "d", timeout=10)

    assert least <= answer.retry_after <= most


def test_it_may_say_so_as_a_date(receiver: "Receiver") -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    receiver.answers = [(503, {"Retry-After": date})]

    answer = _sender().post(receiver.url, BODY, "d", timeout=10)

    assert 3000 < answer.retry_after <= 3600


@pytest.mark.parametrize("page", ["late-head", "drip-head"])
def test_a_receiver_that_never_answers_is_left_in_time(lab: Lab, page: str) -> None:
    start = time.monotonic()

    answer = _sender().post(f"{lab.rude}/{page}", BODY, "d", timeout=1)

    assert time.monotonic() - start < 5
    assert (answer.status, answer.ok) in {(None, False), (200, True)}
    if answer.status is None:
        assert answer.text == "no answer in time"


@pytest.mark.parametrize("page", ["drip-body", "flood-redirect"])
def test_an_answer_that_never_ends_is_not_read_to_its_end(lab: Lab, page: str) -> None:
    start = time.monotonic()

    answer = _sender().post(f"{lab.rude}/{page}", BODY, "d", timeout=2)

    assert time.monotonic() - start < 8
    assert answer.status in {200, 302}


def test_a_receiver_that_is_not_there_is_named_by_nothing(
    free_port: Callable[[], int],
) -> None:
    url = f"http://127.0.0.1:{free_port()}/P4thS3cret?token=Qu3ryS3cret"

    answer = _sender().post(url, BODY, "d", timeout=10)

    assert answer.status is None
    assert answer.text == "it cannot be reached, or broke the connection"


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_a_receiver_inside_the_network_is_refused_for_good(
    receiver: "Receiver", host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)

    answer = _sender(guard=Guard()).post(url, BODY, "d", timeout=10)

    assert (answer.final, answer.ok) == (True, False)
    assert answer.text.startswith("the address is refused: 127.0.0.1 is not public")
    assert receiver.sent == []


def test_so_is_one_whose_name_leads_there(
    receiver: "Receiver", monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *a, **k: look_up("127.0.0.1", *a, **k)
    )
    url = receiver.url.replace("127.0.0.1", "hooks.example")

    answer = _sender(guard=Guard()).post(url, BODY, "d", timeout=10)

    assert answer.final
    assert "'hooks.example' leads to no public address" in answer.text
    assert receiver.sent == []


def test_without_a_secret_nothing_is_sent(receiver: "Receiver") -> None:
    sender = Sender((), guard=OPEN, user_agent="limpet-test")

    answer = sender.post(receiver.url, BODY, "d", timeout=10)

    assert "LIMPET_WEBHOOK_SECRET" in answer.text
    assert (answer.final, receiver.sent) == (False, [])
