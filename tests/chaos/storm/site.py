"""A site that knows from when to when each request was under way.

``python -m tests.chaos.storm.site PORT`` serves ``/page/SESSION/JOB/ITEM?ms=TIME``, its
log at ``/_log``, and at ``/_busy`` who waits for a page. It sees who hangs up before
the answer.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from asyncio import StreamReader, StreamWriter
from typing import Any, Final

_PAGE: Final = re.compile(r"/page/([\w.-]+)/(\d+)/(\d+)\?ms=(\d+)$")
_SEEN: Final = re.compile(r"\bseen=(\d+)")
_AGENT: Final = re.compile(r"^user-agent: (.*)$", re.IGNORECASE | re.MULTILINE)

log: list[dict[str, Any]] = []


async def _client(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError, EOFError):
        while await _answer(reader, writer):
            await writer.drain()
    writer.close()


async def _answer(reader: StreamReader, writer: StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").replace("\r", "")
    target = head.split(" ", 2)[1]
    found = _PAGE.search(target)
    if not found:
        _send(writer, _told(target))
        return True
    visit = _begin(found, head, writer)
    # Whoever asks sends nothing more before the answer: what comes is the end.
    gone = asyncio.ensure_future(reader.read(1))
    done, _ = await asyncio.wait({gone}, timeout=int(found[4]) / 1000)
    visit["end"] = time.time()
    if done:
        return False
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    visit["answered"] = True
    cookie = f"Set-Cookie: seen={visit['seen'] + 1}; Path=/\r\n"
    _send(writer, {"visit": visit["number"]}, cookie)
    return True


def _told(target: str) -> object:
    if target == "/_busy":
        return sorted({one["worker"] for one in log if not one["end"]})
    return log if target == "/_log" else {"status": "ok"}


def _begin(found: re.Match[str], head: str, writer: StreamWriter) -> dict[str, Any]:
    seen, agent = _SEEN.search(head), _AGENT.search(head)
    visit = {
        "number": len(log),
        "session": found[1],
        "job": int(found[2]),
        "item": int(found[3]),
        "worker": agent[1] if agent else "",
        "address": writer.get_extra_info("peername")[0],
        "begin": time.time(),
        "end": 0.0,
        "seen": int(seen[1]) if seen else 0,
        "answered": False,
    }
    log.append(visit)
    return visit


def _send(writer: StreamWriter, body: object, headers: str = "") -> None:
    text = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(text)}\r\n\r\n"
    )
    writer.write(head.encode() + text)


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_client, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
