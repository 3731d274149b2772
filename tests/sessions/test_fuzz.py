"""Many processes do anything at all; then every count and index still agrees."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from limpet.keys import PERMANENT, Keys
from proxies.store import ProxyStore

if TYPE_CHECKING:
    from tests.sessions.conftest import Eventually, Server

PROGRAM = (Path(__file__).parent / "fuzz_program.py").read_text("utf-8")
PROCESSES = 8
#: In all, on each server; the issue asks for 50,000.
OPERATIONS = {"embedded": 50_000, "redis7": 10_000, "cluster": 6_000}
#: Looked at after each: what is wrong may be put right by what comes later.
ROUNDS = 5
KEYS = Keys("default")
_TOKEN = re.compile(r"(?P<proxy>\w+):(?P<incarnation>\d+):(?P<nonce>\w+):(?P<sid>.+)")
_UP = {"unknown", "healthy", "degraded"}
_DOWN = {"unhealthy", "dead"}


class Picture:
    """All that a pool has in Redis, read while nobody works on it."""

    def __init__(self, client: Redis) -> None:
        self.now = ProxyStore(client, "default").now_ms()
        self._client = client
        self.names = {key.decode() for key in client.scan_iter(count=1000)}
        self.sessions = self._hashes(KEYS.sessions)
        self.static, self.live = self._hashes(KEYS.static), self._hashes(KEYS.live)
        self.expiry, self.usable = self.zset(KEYS.expiry), self.zset(KEYS.usable)
        self.cooling = self.zset(KEYS.cooling)
        self.warm, self.warm_next = self.zset(KEYS.warm), self.zset(KEYS.warm_next)
        found = [_TOKEN.fullmatch(token) for token in self.zset(KEYS.leases)]
        assert all(found), "a lease is called by what is no token"
        self.tokens = [match.groupdict() for match in found if match]
        self.registry = self._hash(KEYS.registry)
        self.loads = self._hash(KEYS.loads)
        self.counters = self._hash(KEYS.counters)

    def zset(self, key: str) -> dict[str, float]:
        rows: Any = self._client.zrange(key, 0, -1, withscores=True)
        return {name.decode(): score for name, score in rows}

    def _hash(self, key: str) -> dict[str, str]:
        rows: Any = self._client.hgetall(key)
        return {name.decode(): value.decode() for name, value in rows.items()}

    def _hashes(self, prefix: str) -> dict[str, dict[str, str]]:
        names = [name for name in self.names if name.startswith(prefix)]
        return {name.removeprefix(prefix): self._hash(name) for name in names}

    def stray(self) -> set[str]:
        return {
            name
            for name in self.names
            if not PERMANENT.match(name) and self._client.ttl(name) == -1
        }

    def of(self, sid: str, row: dict[str, str]) -> list[str]:
        """Return the nonces of the leases that a session has now."""
        return [
            token["nonce"]
            for token in self.tokens
            if (token["sid"], token["incarnation"]) == (sid, row["i"])
        ]


def _pooled(row: dict[str, str]) -> bool:
    return row.get("o", "")[3:4] == "p"


def _shared(row: dict[str, str]) -> bool:
    return "o" in row and int(row["o"].split(":")[2]) > 1


def _broken_loads(seen: Picture, bound: Counter[str]) -> Iterator[str]:
    if strange := seen.loads.keys() - seen.live.keys():
        yield f"sessions are counted of proxies that are not there: {strange}"
    for proxy in seen.live:
        if (load := int(seen.loads.get(proxy, 0))) != bound[proxy]:
            yield f"{proxy} has {bound[proxy]} sessions, not {load}"


def _broken_proxies(seen: Picture) -> Iterator[str]:
    leases = Counter(token["proxy"] for token in seen.tokens)
    bound = Counter(row["p"] for row in seen.sessions.values())
    if seen.static.keys() != seen.live.keys():
        yield f"half a proxy: {seen.static.keys() ^ seen.live.keys()}"
    if unknown := (leases | bound).keys() - seen.live.keys():
        yield f"bound to proxies that are not there: {unknown}"
    yield from _broken_loads(seen, bound)
    for proxy, row in seen.live.items():
        if int(row["inflight"]) != leases[proxy]:
            yield f"{proxy} has {leases[proxy]} leases: {row}"
        if row["mode"] == "removed" and not leases[proxy] and not bound[proxy]:
            yield f"{proxy} was not forgotten: {row}"
        if negative := [name for name, value in row.items() if value.startswith("-")]:
            yield f"{proxy} has a negative {negative}: {row}"


def _broken_indexes(seen: Picture) -> Iterator[str]:
    free = {proxy for proxy, row in seen.live.items() if row["mode"] == ""}
    up = {proxy for proxy in free if seen.live[proxy]["state"] in _UP}
    down = {proxy for proxy in free if seen.live[proxy]["state"] in _DOWN}
    # A proxy whose time is over leaves when it is next looked at.
    over = {p for p in up | down if 0 < int(seen.live[p]["ends"]) <= seen.now}
    if not up - over <= seen.usable.keys() <= up:
        yield f"usable: {seen.usable.keys() ^ up}"
    if not down - over <= seen.cooling.keys() <= down:
        yield f"cooling: {seen.cooling.keys() ^ down}"
    for proxy, due in seen.cooling.items():
        if proxy in down and int(seen.live[proxy]["due"]) != due:
            yield f"{proxy} is due at {due}: {seen.live[proxy]}"
    for index, ready in seen.registry.items():
        wanted = set(index.rpartition(":")[0].split("&")) - {"all"}
        fits = {
            proxy
            for proxy in seen.usable
            if wanted <= set(seen.static[proxy]["labels"].split("|"))
        }
        members = seen.zset(KEYS.index(index)).keys()
        if ready == "1" and members != fits:
            yield f"index {index}: {members ^ fits}"


def _broken_sessions(seen: Picture) -> Iterator[str]:
    if seen.sessions.keys() != seen.expiry.keys():
        yield f"expiry: {seen.sessions.keys() ^ seen.expiry.keys()}"
    states = {
        n.removeprefix(KEYS.states) for n in seen.names if n.startswith(KEYS.states)
    }
    if states - seen.sessions.keys():
        yield f"states of no session: {states - seen.sessions.keys()}"
    for sid, row in seen.sessions.items():
        nonces = seen.of(sid, row)
        # A shared session whose deadline has passed counts anew when it is next used.
        if _shared(row) and int(row.get("f", 0)) != len(nonces):
            yield f"{sid} has {len(nonces)} leases: {row}"
        if not _shared(row) and nonces != (
            [row["k"].partition("-")[0]] * (row["d"] != "0")
        ):
            yield f"{sid} is leased by {nonces}: {row}"
        if (row["d"] == "0") != (not nonces):
            yield f"{sid} has a deadline and {len(nonces)} leases: {row}"
    free = {
        sid
        for sid, row in seen.sessions.items()
        if _pooled(row) and not seen.of(sid, row)
    }
    if not seen.warm.keys() == seen.warm_next.keys() == free:
        yield f"warm: {(seen.warm.keys() ^ free) | (seen.warm_next.keys() ^ free)}"


def _broken(client: Redis) -> list[str]:
    seen = Picture(client)
    found = [*_broken_proxies(seen), *_broken_indexes(seen), *_broken_sessions(seen)]
    if stray := seen.stray():
        found.append(f"keys that stay: {stray}")
    if negative := [name for name, n in seen.counters.items() if n.startswith("-")]:
        found.append(f"negative counters: {negative}")
    return found


@pytest.mark.timeout(240)
def test_after_any_operations_all_that_is_counted_agrees(
    server: "Server", eventually: "Eventually"
) -> None:
    seed = os.environ.get("FUZZ_SEED") or str(SystemRandom().randrange(10**9))
    total = int(os.environ.get("FUZZ_OPERATIONS", OPERATIONS[server.kind]))
    print(f"FUZZ_SEED={seed}")  # noqa: T201 - what it takes to see it again
    manager = server.manager()

    done: Counter[str] = Counter()
    each = total // PROCESSES // ROUNDS
    for number in range(ROUNDS):
        for part in server.crew(PROGRAM, PROCESSES, each, f"{seed}.{number}"):
            done.update(part)
        assert _broken(server.client) == []
    print(dict(sorted(done.items())))  # noqa: T201 - shows what was covered

    eventually(lambda: not manager.expire(500).more and not manager.stats().leases)
    assert _broken(server.client) == []
    assert sum(manager.clear()) >= 0
    assert _broken(server.client) == []
    assert done.total() == each * PROCESSES * ROUNDS
