"""Pages that are no good for a browser: part of `lab.site`, below ``/trap``."""

import json
import time
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final

import brotli
from flask import Blueprint, Response, request

traps = Blueprint("traps", __name__, url_prefix="/trap")

_MEGABYTE: Final = bytes(1_000_000).replace(b"\0", b"x")


def _page(body: str) -> str:
    return f"<!doctype html><meta charset=utf-8><title>Trap</title><h1>Trap</h1>{body}"


@traps.get("/loop")
def loop() -> str:
    """A page whose script never ends."""
    return _page("<script>for (;;) {}</script>")


@traps.get("/late-loop")
def late_loop() -> str:
    """A page that is fine at first."""
    return _page("<script>onload = () => setTimeout(() => { for (;;) {} })</script>")


@traps.get("/never")
def never() -> str:
    """A page with a part that never comes."""
    return _page('<img src="/trap/hang">')


@traps.get("/hang")
def hang() -> str:
    time.sleep(min(request.args.get("seconds", 20.0, type=float), 60))
    return ""


@traps.get("/flood")
def flood() -> Response:
    """A page of so many megabytes."""
    count = request.args.get("mb", 300, type=int)

    def body() -> Iterator[bytes]:
        yield _page("<p>").encode()
        for _ in range(count):
            yield _MEGABYTE

    return Response(body(), mimetype="text/html")


@traps.get("/bomb/<coding>")
def bomb(coding: str) -> Response:
    """A page of so many megabytes, of which a small part goes over the net."""
    count = request.args.get("mb", 300, type=int)
    body = _packed(coding, count, request.args.get("of", "x"))
    return Response(body, mimetype="text/html", headers={"Content-Encoding": coding})


@cache
def _packed(coding: str, count: int, of: str) -> bytes:
    block = of.encode() * (1_000_000 // len(of))
    parts = [_page("<p>").encode(), *(count * [block])]
    if coding == "br":
        brotlied = brotli.Compressor(quality=4)
        return b"".join([*map(brotlied.process, parts), brotlied.finish()])
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join([*map(packer.compress, parts), packer.flush()])


@traps.get("/hungry")
def hungry() -> str:
    """A page whose script takes all the memory that it gets."""
    return _page(
        "<script>window.kept = []; for (;;) kept.push(new Array(1e6).fill(1.5))"
        "</script>"
    )


@traps.get("/heavy")
def heavy() -> str:
    """A page that keeps 80 MB of numbers."""
    return _page(
        "<script>window.kept = Array.from({ length: 80 }, () =>"
        " Array.from({ length: 131072 }, Math.random))</script>"
    )


@traps.get("/clinging")
def clinging() -> str:
    """A page that never gets to its end when it is left."""
    return _page("<script>addEventListener('pagehide', () => { for (;;); })</script>")


@traps.get("/popups")
def popups() -> str:
    return _page(
        '<a id=open target=_blank href="/whoami">open</a>'
        '<script>open("/whoami"); open("/whoami"); open("about:blank")</script>'
    )


@traps.get("/late-popup")
def late_popup() -> str:
    """A page whose popup comes when the page is left."""
    return _page('<a id=open target=_blank href="/trap/hang?seconds=1">open</a>')


@traps.get("/dialogs")
def dialogs() -> str:
    """A page that asks, and shows what it was answered."""
    return _page(
        "<p id=said></p><script>alert('hello');"
        "document.getElementById('said').textContent ="
        " confirm('sure?') + ' ' + prompt('name?');"
        "onbeforeunload = (event) => event.preventDefault()</script>"
    )


@traps.get("/download")
def download() -> Response:
    name = {"Content-Disposition": "attachment; filename=trap.bin"}
    return Response(b"x" * 1000, mimetype="application/octet-stream", headers=name)


@traps.get("/downloads")
def downloads() -> str:
    return _page('<a id=get href="/trap/download">get</a>')


@traps.get("/errors")
def errors() -> str:
    return _page("<script>console.error('a wrong thing'); nothing.at.all</script>")


@traps.get("/asks")
def asks() -> str:
    """A page that asks for each ``url`` in every way there is."""
    urls = json.dumps(request.args.getlist("url"))
    return _page(f"<p id=done></p><script>const urls = {urls};{_ASKS}</script>")


@traps.get("/stun")
def stun() -> str:
    """A page that wants to know its address from a STUN server at ``place``."""
    place = json.dumps(request.args["place"])
    return _page(f"<p id=done></p><script>const place = {place};{_STUN}</script>")


@traps.get("/worker")
def worker() -> str:
    """A page that wants a service worker."""
    return _page(f"<p id=done></p><script>{_WORKER}</script>")


@traps.get("/worker.js")
def worker_script() -> Response:
    return Response("self.onfetch = () => 0", mimetype="text/javascript")


_ASKS: Final = """
const all = [];
for (const url of urls) {
  for (const kind of ["img", "iframe", "script"]) {
    const part = document.createElement(kind);
    all.push(new Promise((over) => { part.onload = part.onerror = over; }));
    part.src = url;
    document.body.append(part);
  }
  all.push(fetch(url, { mode: "no-cors" }).catch(() => 0));
  if (url.startsWith("http")) {
    const socket = new WebSocket(url.replace("http", "ws"));
    all.push(new Promise((over) => { socket.onclose = socket.onerror = over; }));
    navigator.sendBeacon(url);
  }
}
const late = new Promise((over) => setTimeout(over, 3000));
Promise.race([Promise.all(all), late]).then(() => {
  document.getElementById("done").textContent = "asked";
});
"""
_STUN: Final = """
const over = (text) => { document.getElementById("done").textContent = text; };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const [host, port] = place.split(":");
const found = [];

async function ask() {
  const servers = [{ urls: "stun:" + place }, {
    urls: "turn:" + place + "?transport=udp", username: "u", credential: "p",
  }];
  const one = new RTCPeerConnection({ iceServers: servers });
  const other = new RTCPeerConnection();
  one.createDataChannel("x");
  one.onicecandidate = (event) => { if (event.candidate) found.push(event); };
  const offer = await one.createOffer();
  await one.setLocalDescription(offer);
  await other.setRemoteDescription(offer);
  const answer = await other.createAnswer();
  await other.setLocalDescription(answer);
  await one.setRemoteDescription(answer);
  // As if the other side were there: it is looked for, packet by packet.
  await one.addIceCandidate({
    candidate: `candidate:1 1 udp 2113937151 ${host} ${port} typ host`,
    sdpMid: "0", sdpMLineIndex: 0,
  });
  try {
    const quick = new WebTransport("https://" + place + "/");
    quick.ready.catch(() => 0);
    quick.closed.catch(() => 0);
  } catch { /* not over http:// */ }
  await pause(1500);
}
ask().catch(() => 0).then(() => over("asked " + found.length));
"""
_WORKER: Final = """
const tell = (text) => { document.getElementById("done").textContent = text; };
const container = navigator.serviceWorker;
if (container) {
  container.register("/trap/worker.js").catch(() => 0);
  setTimeout(() => container.getRegistrations().then((found) => {
    tell(found.some((one) => one.active) ? "asked one" : "asked none");
  }), 500);
} else { tell("asked none"); }
"""
