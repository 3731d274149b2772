"""A small shop that logs who came from where: ``python -m lab.site --port 0``.

It prints ``ready PORT`` when it serves, and keeps its log in memory:
``/_log`` returns one ``[visitor, page, address]`` per page served since ``/_forget``.
"""

import argparse
import gzip
import logging
import sys
import time
import zlib

import brotli
from flask import Flask, Response, jsonify, redirect, request
from waitress import create_server
from werkzeug.wrappers import Response as WsgiResponse

from lab.log import log
from lab.shop import store
from lab.traps import traps

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

app = Flask(__name__)
app.register_blueprint(store)
app.register_blueprint(traps)


@app.get("/shop/<visitor>/<int:page>")
def shop(visitor: str, page: int) -> Response:
    """One page of the shop; the cookie counts the pages that this visitor has seen."""
    time.sleep(min(request.args.get("delay", 0.0, type=float), 30))
    address = request.remote_addr or ""
    log.append((visitor, page, address))
    seen = request.cookies.get("seen", 0, type=int) + 1
    links = "".join(
        f'<li><a href="/shop/{visitor}/{n}">Page {n}</a>' for n in range(1, 11)
    )
    answer = Response(
        f"<!doctype html><title>Page {page}</title><h1>Limpet shop, page {page}</h1>"
        f"<p>You are <b id=visitor>{visitor}</b>, you come from "
        f"<b id=address>{address}</b>, this is your page no. <b id=seen>{seen}</b>.</p>"
        f"<ul>{links}</ul>"
    )
    answer.set_cookie("seen", str(seen), path=f"/shop/{visitor}")
    return answer


@app.get("/whoami")
def whoami() -> Response:
    """Say what the site sees of its visitor."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    # Of the connection that it came over: the proxy's, one for each of its clients'.
    port = int(request.environ["REMOTE_PORT"])
    return jsonify(address=request.remote_addr, port=port, headers=headers)


@app.route("/echo", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def echo() -> Response:
    """Say what was asked for, and in which words."""
    return jsonify(
        method=request.method,
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.query_string.decode(),
        body=request.get_data(as_text=True),
    )


@app.route("/redirect-as/<int:code>", methods=["GET", "HEAD", "POST", "PUT"])
def redirect_as(code: int) -> WsgiResponse:
    """Redirect to ``to`` with any status."""
    return redirect(request.args["to"], code)


@app.get("/encoded/<coding>")
def encoded(coding: str) -> Response:
    """Serve a page in a content coding."""
    page = b"<p>" + b"packed " * 1000
    pack = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }[coding]
    return Response(pack(page), headers={"Content-Encoding": coding})


@app.get("/redirect/<int:times>")
def redirects(times: int) -> WsgiResponse:
    delay = request.args.get("delay", 0.0, type=float)
    time.sleep(min(delay, 30))
    again = f"/redirect/{times - 1}" + (f"?delay={delay}" if delay else "")
    return redirect(again if times > 1 else "/whoami")


@app.get("/redirect-to")
def redirect_to() -> WsgiResponse:
    return redirect(request.args["url"])


@app.route("/order/<visitor>", methods=["POST", "PUT"])
def order(visitor: str) -> str:
    """Take an order, and be slow to say so."""
    log.append((visitor, 0, request.remote_addr or ""))
    time.sleep(min(request.args.get("delay", 0.0, type=float), 30))
    return "taken"


@app.get("/limited/<visitor>")
def limited(visitor: str) -> tuple[str, int, dict[str, str]]:
    """Refuse the first ``times`` requests, and ask to wait ``after`` seconds.

    It does so with status ``with``, 429 by default.
    """
    log.append((visitor, 0, request.remote_addr or ""))
    came = sum(entry[0] == visitor for entry in log)
    if came <= request.args.get("times", 1, type=int):
        status = request.args.get("with", 429, type=int)
        return "too many", status, {"Retry-After": request.args.get("after", "1")}
    return "welcome", 200, {}


@app.get("/robots.txt")
def robots() -> Response:
    return Response("User-agent: *\nDisallow: /private/\n", mimetype="text/plain")


@app.get("/private/<path:page>")
def private(page: str) -> str:
    log.append((page, 0, request.remote_addr or ""))
    return "private"


@app.get("/text/<int:count>")
def text(count: int) -> Response:
    return Response("x" * count, mimetype="text/plain")


@app.get("/status/<int:code>")
def status(code: int) -> tuple[str, int]:
    return f"status {code}", code


@app.get("/unless/<address>")
def unless(address: str) -> tuple[str, int]:
    """Refuse who comes from *address*."""
    return ("not you", 403) if request.remote_addr == address else ("welcome", 200)


@app.get("/bytes/<int:count>")
def some_bytes(count: int) -> Response:
    return Response(bytes(count), mimetype="application/octet-stream")


@app.get("/set-cookie")
def set_cookie() -> WsgiResponse:
    """Set each ``line`` as a cookie, in just these words, and redirect to ``to``."""
    answer = redirect(request.args.get("to", "/echo"))
    for line in request.args.getlist("line"):
        answer.headers.add("Set-Cookie", line)
    return answer


@app.get("/charset")
def charset() -> Response:
    """Serve text whose charset only the page itself tells."""
    page = '<meta charset="windows-1252"><p>12 € café'
    return Response(page.encode("cp1252"), content_type="text/html")


@app.get("/big-cookies")
def big_cookies() -> Response:
    answer = Response("crumbs")
    for n in range(request.args.get("count", 1, type=int)):
        answer.set_cookie(f"crumb{n}", "x" * 3000)
    return answer


@app.get("/_log")
def visits() -> Response:
    """Return the log from entry ``from`` on."""
    return jsonify(log[request.args.get("from", 0, type=int) :])


@app.post("/_forget")
def forget() -> str:
    """Let the log begin anew, and with it what is counted of each visitor."""
    log.clear()
    return "forgotten"


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = create_server(app, host="127.0.0.1", port=port, threads=32)
    print("ready", server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
