"""The listener that a browser context goes out through."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable

import pytest

from lab import Lab
from proxies import Proxy, parse_proxy
from tasks.browser.relay import Relay
from tasks.browser.upstream import Upstream
from tasks.guard import Guard

HERE = Guard.allowing("127.0.0.1")
#: Asks a port of loopback, and shows how the answer begins.
ASK = 'exec 3<>/dev/tcp/127.0.0.1/$0; printf "$1" >&3; head -c 12 <&3'


def run(
    line: str, use: Callable[[Relay], Awaitable[bytes]], *, most: int = 10**6
) -> tuple[bytes, Relay]:
    """Use a relay before a proxy."""

    async def go() -> tuple[bytes, Relay]:
        proxy = parse_proxy(line) if line else Proxy("direct", "", 0)
        relay = Relay(Upstream(proxy, HERE))
        await relay.open()
        relay.begin(most, lambda: None)
        try:
            async with asyncio.timeout(20):
                return await use(relay), relay
        finally:
            await relay.close()

    return asyncio.run(go())


async def talk(relay: Relay, *said: bytes, until: bytes = b"") -> bytes:
    """Say one thing after the other, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    heard = b""
    try:
        for one in said:
            writer.write(one)
            await writer.drain()
            heard += await reader.readuntil(until) if until else await reader.read()
    finally:
        writer.close()
    return heard


def ask(lab: Lab, path: str, *headers: str) -> bytes:
    lines = "".join(f"{one}\r\n" for one in headers)
    place = lab.site.removeprefix("http://")
    text = f"GET {lab.site}{path} HTTP/1.1\r\nHost: {place}\r\n{lines}\r\n"
    return text.encode()


@pytest.mark.parametrize("number", [None, 0, 1], ids=["direct", "http", "socks5"])
def test_requests_follow_each_other_on_one_connection(
    lab: Lab, number: int | None
) -> None:
    line = "" if number is None else lab.proxies[number].line
    post = (
        f"POST {lab.site}/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    ).encode()

    heard, relay = run(
        line,
        lambda relay: talk(
            relay, ask(lab, "/text/3"), post, ask(lab, "/text/4"), until=b"\r\n\r\n"
        ),
    )

    assert heard.count(b"HTTP/1.1 200 OK") == 3
    assert relay.traffic.sent > 100
    assert relay.traffic.faults == {}


def test_a_body_in_chunks_is_passed_on(lab: Lab) -> None:
    head = f"POST {lab.site}/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    body = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    heard, _ = run(lab.proxies[1].line, lambda r: talk(r, (head + body).encode()))

    assert b'"body":"hello"' in heard.replace(b" ", b"")


def test_what_is_the_proxys_own_goes_to_no_site(lab: Lab) -> None:
    asked = ask(lab, "/whoami", "Proxy-Connection: close", "Connection: close")

    heard, _ = run(lab.proxies[1].line, lambda relay: talk(relay, asked))

    assert b"proxy-" not in heard.lower()
    assert b"127.0.7.2" in heard


def test_a_second_host_on_a_connection_gets_one_of_its_own(lab: Lab) -> None:
    other = ask(lab, "/text/3").replace(
        lab.site.encode(), lab.rude.encode().replace(b"127.0.0.1", b"127.0.0.2")
    )

    async def use(relay: Relay) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(ask(lab, "/text/3"))
        first = await reader.readuntil(b"xxx")
        writer.write(other)
        rest = await reader.read()
        writer.close()
        return first[:12] + rest

    heard, relay = run(lab.proxies[1].line, use)

    # The browser asks again, over a connection of its own.
    assert heard == b"HTTP/1.1 200"
    assert relay.traffic.refused == {}


@pytest.mark.parametrize(
    "said",
    [
        b"GET /no-host HTTP/1.1\r\n\r\n",
        b"GET ftp://127.0.0.1/x HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"CONNECT HTTP/1.1\r\n\r\n",
        b"CONNECT 127.0.0.1:99999 HTTP/1.1\r\n\r\n",
        b"x" * 300_000,
    ],
)
def test_what_is_no_request_to_a_proxy_ends_the_connection(
    lab: Lab, said: bytes
) -> None:
    heard, _ = run(lab.proxies[0].line, lambda relay: talk(relay, said))

    assert heard == b""


@pytest.mark.parametrize(
    "said",
    [
        b"GET http://169.254.169.254/latest HTTP/1.1\r\n\r\n",
        b"CONNECT 169.254.169.254:443 HTTP/1.1\r\n\r\n",
        b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n",
        b"CONNECT localhost:443 HTTP/1.1\r\n\r\n",
        b"CONNECT 0x7f.2:443 HTTP/1.1\r\n\r\n",
    ],
)
@pytest.mark.parametrize("number", [None, 0, 1], ids=["direct", "http", "socks5"])
def test_the_guard_judges_each_request(
    lab: Lab, number: int | None, said: bytes
) -> None:
    line = "" if number is None else lab.proxies[number].line

    heard, relay = run(line, lambda relay: talk(relay, said))

    assert b"200" not in heard
    assert sum(relay.traffic.refused.values()) == 1


def test_beyond_its_bytes_a_page_gets_nothing_more(lab: Lab) -> None:
    asked = ask(lab, "/text/500000")

    heard, relay = run(
        lab.proxies[0].line, lambda relay: talk(relay, asked), most=100_000
    )

    assert len(heard) < 300_000
    assert relay.traffic.received > 100_000


def test_another_user_of_the_machine_gets_nothing(lab: Lab) -> None:
    if os.getuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("only root can be another user")

    async def use(relay: Relay, user: int) -> bytes:
        asked = ask(lab, "/text/3").decode().replace("\r\n", "\\r\\n")
        process = await asyncio.create_subprocess_exec(
            *("/bin/bash", "-c", ASK, str(relay.port), asked),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            user=user,
        )
        return (await process.communicate())[0]

    mine, _ = run(lab.proxies[0].line, lambda relay: use(relay, os.getuid()))
    theirs, _ = run(lab.proxies[0].line, lambda relay: use(relay, 65_534))

    assert (mine, theirs) == (b"HTTP/1.1 200", b"")
