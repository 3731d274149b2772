"""How much of Redis's memory a session takes, all indexes included.

Sessions are made by the engine itself, with ids of 32 characters. ``bytes_per_session``
is of those that were leased once and released without a word about a request.
``bytes_used`` is of those with a response time and a URL of 34 characters on record, as
every job leaves them; ``bytes_with_cookies`` is of such with 1.6 kB of cookies besides.
The stream of audit events, which is capped, is not counted.
"""

import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig, stock
from limpet.sealing import Sealer
from proxies import Outcome
from sessions.operation import Give
from sessions.state import Cookie, SessionState, encode

_GOALS: Final = {
    "bytes_per_session": rig.Goal("at most 350", 350, most=True),
    "bytes_with_cookies": rig.Goal("at most 1100", 1100, most=True),
}
_UNUSED: Final = Give(Outcome.NONE)
_USED: Final = Give(
    Outcome.OK, elapsed=0.3, size=20_000, url="https://shop.example/products/4711"
)
#: An eighth of 100k fills Redis's tables, whose sizes are powers of two, just as well.
_QUICK: Final = 12_500
_FULL: Final = 100_000


def _cookie(n: int) -> Cookie:
    return {
        "name": f"cookie_name_{n}",
        "value": secrets.token_urlsafe(24),
        "domain": ".www.shop.example",
        "path": "/",
        "expires": 1_800_000_000 + secrets.randbelow(10**7),
        "httpOnly": n % 2 == 0,
        "secure": True,
        "sameSite": "Lax",
    }


def _with_cookies() -> Give:
    state = encode(SessionState(cookies=[_cookie(n) for n in range(9)]), Sealer())
    assert state is not None
    return Give(_USED.outcome, elapsed=0.3, url=_USED.url, state=state)


class Scale:
    """Measures pools of one size on one server, one pool after the other."""

    def __init__(self, running: rig.Running, count: int) -> None:
        self._running, self._count = running, count

    def each(self, pool: str, *gives: Callable[[], Give]) -> list[float]:
        """Use new sessions once for each of *gives*; return the bytes after each."""
        manager = stock.pool(self._running.client, pool, 1000)
        names = stock.names(self._count)
        stock.use(manager, self._running.client, stock.names(1000, "first"))
        before = stock.used_memory(self._running, pool)
        found = []
        for give in gives:
            stock.use(manager, self._running.client, names, give)
            taken = stock.used_memory(self._running, pool) - before
            found.append(taken / self._count)
        return found

    def copied(self, pool: str, give: Callable[[], Give]) -> float:
        """Return the bytes of sessions of which all but the first are copies."""
        manager = stock.pool(self._running.client, pool, 1000)
        names = stock.names(self._count)
        stock.use(manager, self._running.client, stock.names(1000, "first"))
        before = stock.used_memory(self._running, pool)
        stock.fill(manager, self._running.client, names, give)
        return (stock.used_memory(self._running, pool) - before) / self._count

    def leased(self, pool: str) -> float:
        """Return what leases of all of the pool's sessions take besides."""
        line = stock.Line(self._running.client, pool)
        before = stock.used_memory(self._running, pool)
        for batch in stock.batches(stock.names(self._count)):
            for name in batch:
                line.store.acquire(name, stock.want())
            line.send()
        return (stock.used_memory(self._running, pool) - before) / self._count


def measure(running: rig.Running, *, quick: bool) -> dict[str, float]:
    count = _QUICK if quick else _FULL
    scale = Scale(running, count)
    created, used = scale.each("used", lambda: _UNUSED, lambda: _USED)
    figures = {
        "bytes_per_session": created,
        "bytes_used": used,
        "bytes_of_a_lease": scale.leased("used"),
        "bytes_with_cookies": scale.each("cookies", _with_cookies)[0],
        "bytes_of_the_cookies": float(len(_with_cookies().state)),
        "sessions": float(count),
    }
    if not quick:
        running.client.flushall()
        million = Scale(running, 1_000_000)
        figures["bytes_per_session_1m"] = million.copied("copied", lambda: _UNUSED)
        running.client.flushall()
        figures["bytes_used_1m"] = million.copied("copied", lambda: _USED)
    rows = [(name, f"{value:.0f}") for name, value in figures.items()]
    rig.table(f"{running.name}, {count} sessions", ("figure", ""), rows)
    return figures


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Measure the bytes of a session.

    Examples: [bold]python bench/memory.py --quick[/] or
    [bold]python bench/memory.py --server embedded --json[/]
    """
    with rig.server(server) as running:
        figures = measure(running, quick=quick)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
