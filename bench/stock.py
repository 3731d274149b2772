"""What the servers of the benches are filled with: pools of proxies, and sessions."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, cast

from redis import Redis

from bench.rig import Running
from limpet.keys import Keys
from limpet.lines import Arg
from limpet.scripts import Script
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, Selection
from proxies.store import ProxyStore
from sessions import Reason, SessionManager, SessionPolicy
from sessions.operation import Give, Want
from sessions.store import SessionStore

#: Commands sent in one go while filling.
_BATCH: Final = 1000
#: Sessions, or proxies, that the engine makes itself; the rest are copies of them.
_TEMPLATES: Final = 1000
#: What the default selection picks from.
_INDEX: Final = Selection().plan
#: What a release says: a request that went well.
GIVE: Final = Give(Outcome.OK, elapsed=0.3, size=20_000, url="https://shop.test/p/1")


def proxies(count: int) -> list[ProxyRecord]:
    hosts = (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count))
    return [ProxyRecord(Proxy("http", host, 8080, "user", "secret")) for host in hosts]


def pool(client: Redis, name: str, size: int) -> SessionManager:
    """Return a pool of *size* proxies; its sessions may move as often as they like.

    The engine makes the first thousand known, the rest are copies of those.
    """
    made = ProxyPool(ProxyStore(client, name))
    made.publish(proxies(min(size, _TEMPLATES)))
    manager = SessionManager(
        name,
        SessionStore(client, name),
        made,
        policy=SessionPolicy(max_rebinds=10**6),
    )
    # Builds the index, and has the scripts loaded.
    manager.release(manager.acquire(None, hold=5), close=Reason.CLOSED)
    if size > _TEMPLATES:
        _copy_proxies(client, Keys(name), size - _TEMPLATES)
    return manager


def _copy_proxies(client: Redis, keys: Keys, count: int) -> None:
    known: Any = client.zrange(keys.usable, 0, -1)
    made = [proxy.decode() for proxy in known]
    pipe = client.pipeline(transaction=False)
    for batch in batches([f"{n:010x}" for n in range(count)]):
        for n, proxy in enumerate(batch):
            pipe.copy(keys.proxy(made[n]), keys.proxy(proxy))
            pipe.copy(keys.live_proxy(made[n]), keys.live_proxy(proxy))
        pipe.zadd(keys.usable, dict.fromkeys(batch, 0))
        pipe.zadd(keys.index(_INDEX), dict.fromkeys(batch, 0))
        pipe.execute()


def want(nonce: str = "b0b0b0", policy: SessionPolicy | None = None) -> Want:
    return Want(nonce, 60, policy or SessionPolicy(), Selection())


class _Waiting(SessionStore):
    """A store that does not look at replies, which are not there yet."""

    def _run(self, script: Script, args: list[Arg]) -> list[Any]:
        self._client.execute_command(  # type: ignore[no-untyped-call] # redis-py
            *script.command(self._where, args)
        )
        return []


class Line:
    """A store whose commands wait in a pipeline until `send`."""

    def __init__(self, client: Redis, name: str) -> None:
        self._pipe = client.pipeline(transaction=False)
        # A pipeline takes commands as a client does; it only answers later.
        self.store = _Waiting(cast("Redis", self._pipe), name)

    def send(self) -> list[Any]:
        return self._pipe.execute()

    def commands(self) -> list[tuple[Any, ...]]:
        """Return the commands that wait, and forget them."""
        found = [tuple(args) for args, _ in self._pipe.command_stack]
        self._pipe.reset()
        return found


def batches(names: Sequence[str], size: int = _BATCH) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


def use(
    manager: SessionManager,
    client: Redis,
    names: Sequence[str],
    give: Callable[[], Give] = lambda: GIVE,
) -> None:
    """Create the sessions or use them, and release them, as the engine does it."""
    line = Line(client, manager.pool)
    for batch in batches(names):
        for name in batch:
            line.store.acquire(name, want())
        tokens = [reply[1].decode() for reply in line.send()]
        for name, token in zip(batch, tokens, strict=True):
            line.store.release(name, token, give())
        line.send()


def names(count: int, kind: str = "session") -> list[str]:
    """Return ids of 32 characters."""
    return [f"{kind}-{n:0{31 - len(kind)}d}" for n in range(count)]


def fill(
    manager: SessionManager,
    client: Redis,
    wanted: Sequence[str],
    give: Callable[[], Give] = lambda: GIVE,
    *,
    expired: bool = False,
) -> None:
    """Make idle sessions, or some whose time is over.

    The engine makes the first, the rest are copies of those: a twentieth of the time.
    """
    keys = Keys(manager.pool)
    made, ends = wanted[:_TEMPLATES], 1.0 if expired else time.time() * 1000 + 1_800_000
    use(manager, client, made, give)
    pipe = client.pipeline(transaction=False)
    for name in made:
        if expired:
            pipe.hset(keys.session(name), "x", 1)
        pipe.hget(keys.session(name), "p")
    bound = [proxy.decode() for proxy in pipe.execute() if isinstance(proxy, bytes)]
    for n, proxy in enumerate(bound):
        copies = len(range(_TEMPLATES + n, len(wanted), _TEMPLATES))
        pipe.hincrby(keys.loads, proxy, copies)
    for batch in batches(wanted[_TEMPLATES:]):
        for n, name in enumerate(batch):
            pipe.copy(keys.session(made[n]), keys.session(name))
        pipe.zadd(keys.expiry, dict.fromkeys(batch, ends))
        pipe.execute()
    # Last of all: who acquires meanwhile may see them out.
    pipe.zadd(keys.expiry, dict.fromkeys(made, ends))
    pipe.execute()


def used_memory(running: Running, pool_name: str) -> int:
    """Return the bytes that the server uses, without the pool's audit events.

    Those are capped, and full after 10,000 sessions.
    """
    audit = running.client.memory_usage(Keys(pool_name).audit, samples=0) or 0
    return int(running.client.info("memory")["used_memory"]) - int(audit)
