"""A shop that wants to be used as a person does: with a login, a cart and scripts.

A visit is bound to the address that it began from, as careful shops have it: its cookie
from another one gets a refusal. Part of `lab.site`, below ``/store``.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, request
from werkzeug.wrappers import Response as WsgiResponse

from lab.log import log

#: Places in the log, by what was done there.
LOGIN, CART, CHECKOUT = 1, 2, 3
_USERS: Final = {"alice": "wonder", "bob": "builder"}

store = Blueprint("store", __name__, url_prefix="/store")


@dataclass(slots=True)
class _Customer:
    name: str
    address: str
    cart: list[int] = field(default_factory=list)


_customers: dict[str, _Customer] = {}
_tokens: set[str] = set()


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        '<link rel=stylesheet href="/store/style.css">'
        f"<h1>{title}</h1>{body}"
    )


def _customer(place: int) -> _Customer | None:
    """Return who asks; who comes from another address than at first is refused."""
    found = _customers.get(request.cookies.get("sid", ""))
    address = request.remote_addr or ""
    if found:
        log.append((found.name, place, address))
        if found.address != address:
            text = _page("Who are you?", "<p>This visit began at another address.</p>")
            abort(make_response(text, 403))
    return found


@store.get("/style.css")
def style() -> Response:
    return Response("h1 { color: teal }", mimetype="text/css")


@store.get("/login")
def form() -> str:
    """Show the form, with a token that counts once."""
    token = secrets.token_hex(8)
    _tokens.add(token)
    return _page(
        "Login",
        "<form method=post action=/store/login><input id=user name=user>"
        "<input id=password name=password type=password>"
        f"<input type=hidden name=token value={token}>"
        "<select id=shelf name=shelf><option value=new>New</option>"
        "<option value=old>Old</option></select><button id=go>Go</button></form>",
    )


@store.post("/login")
def login() -> WsgiResponse:
    token, user = request.form.get("token", ""), request.form.get("user", "")
    if token not in _tokens:
        return Response(_page("Login", "<p id=error>no token</p>"), 400)
    _tokens.discard(token)
    if not _USERS.get(user) or _USERS[user] != request.form.get("password"):
        return Response(_page("Login", "<p id=error>unknown</p>"), 401)
    sid, address = secrets.token_hex(16), request.remote_addr or ""
    _customers[sid] = _Customer(user, address)
    log.append((user, LOGIN, address))
    answer = redirect("/store/account")
    answer.set_cookie("sid", sid, httponly=True, samesite="Lax", max_age=3600)
    answer.set_cookie("shelf", request.form.get("shelf", ""))
    return answer


@store.get("/account")
def account() -> WsgiResponse:
    found = _customer(LOGIN)
    if found is None:
        return redirect("/store/login")
    return Response(_page("Account", f"<p id=who>{found.name}</p>{_STORING}"))


@store.post("/cart/<int:item>")
def add(item: int) -> Response:
    found = _customer(CART)
    if found is None:
        abort(401)
    found.cart.append(item)
    return jsonify(found.cart)


@store.get("/cart.json")
def cart() -> Response:
    found = _customer(CHECKOUT)
    return jsonify(found.cart if found else [])


@store.get("/checkout")
def checkout() -> WsgiResponse:
    """Show a page whose list, and whose memory, only a script knows."""
    found = _customer(CHECKOUT)
    if found is None:
        return redirect("/store/login")
    body = f"<p id=who>{found.name}</p><ul id=list></ul>{_STORING}{_LISTING}"
    return Response(_page("Checkout", body))


#: Counts visits in the page's own storage, and shows how many there were.
_STORING: Final = """<p id=local></p><p id=indexed></p><script>
localStorage.visits = +(localStorage.visits || 0) + 1;
document.getElementById("local").textContent = localStorage.visits;
const opened = indexedDB.open("shop", 1);
opened.onupgradeneeded = () => opened.result.createObjectStore("kept");
opened.onsuccess = () => {
  const kept = opened.result.transaction("kept", "readwrite").objectStore("kept");
  const asked = kept.get("visits");
  asked.onsuccess = () => {
    const visits = (asked.result || 0) + 1;
    kept.put(visits, "visits").onsuccess = () => {
      document.getElementById("indexed").textContent = visits;
    };
  };
};
</script>"""
_LISTING: Final = """<script>
fetch("/store/cart.json").then((answer) => answer.json()).then((items) => {
  for (const item of items) {
    const line = document.createElement("li");
    line.className = "item";
    line.textContent = "Product " + item;
    document.getElementById("list").append(line);
  }
  document.body.dataset.ready = "yes";
});
</script>"""
