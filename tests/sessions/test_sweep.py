"""Sessions whose time is over are removed without a script, and as by the script."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from limpet.keys import Keys
from limpet.scripts import Script
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions.store import SessionStore
from sessions.sweep import Sweep

if TYPE_CHECKING:
    from tests.sessions.conftest import Server

KEYS = Keys("default")
PAST = 1_000
#: What a session's removal leaves, and what is there of those that stay.
LEFT = (KEYS.counters, KEYS.lifetimes, KEYS.expiry, KEYS.warm, KEYS.warm_next)


def _crowd(client: Any, records: list[ProxyRecord]) -> list[str]:
    """Make sessions of every kind, with the same fields each time; return their names.

    They are over, but for one that was used since, which the index does not know yet.
    """
    ProxyPool(ProxyStore(client, "default")).publish(records)
    for number in range(12):
        name = f"{'~' if number == 3 else ''}s{number:02}"
        fields: dict[str, Any] = {
            "p": records[number % 4].id,
            "d": 0,
            "x": PAST + number,
            "n": 7,
            "i": 100 + number,
            "k": "-",
            # Idle for most, max age for some.
            "a": PAST + number + (0 if number % 5 == 0 else 900),
            "t": 60_000,
            "m": 1_000 * 2**number,
        }
        if number % 3 == 0:
            fields |= {"g": 2, "y": 4321, "v": 9}
            client.set(KEYS.state(name), "blob", px=60_000)
        if number == 6:
            client.zadd(KEYS.warm, {name: 1})
            client.zadd(KEYS.warm_next, {name: 1})
        if number == 8:
            fields |= {"x": 9_999_999_999_999, "a": 9_999_999_999_999}
        if number != 9:  # its record is gone
            client.hset(KEYS.session(name), mapping=fields)
            client.hincrby(KEYS.live_proxy(fields["p"]), "sessions", 1)
        client.zadd(KEYS.expiry, {name: PAST + number})
    return [name.decode() for name in client.zrange(KEYS.expiry, 0, -1)]


def _all(client: Any, names: list[str]) -> dict[str, Any]:
    """Return all that a clean-up may change."""
    found: dict[str, Any] = {
        key.decode(): client.hget(key, "sessions")
        for key in client.scan_iter(f"{KEYS.live}*")
    }
    keys = [*LEFT]
    keys += [key(name) for name in names for key in (KEYS.session, KEYS.state)]
    for key in keys:
        kind = client.type(key)
        if kind == b"hash":
            found[key] = client.hgetall(key)
        elif kind == b"zset":
            found[key] = client.zrange(key, 0, -1, withscores=True)
        else:
            found[key] = kind
    events = [fields for _, fields in client.xrange(KEYS.audit)]
    found["events"] = sorted(map(_told, events), key=str)
    return found


def _told(event: dict[bytes, bytes]) -> dict[str, Any]:
    told: dict[str, Any] = {k.decode(): v.decode() for k, v in event.items()}
    if "ended" in told:
        told["ended"] = json.loads(told["ended"])
    return told


def test_a_sweep_leaves_what_the_script_leaves(
    server: "Server", records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    names = _crowd(client, records)
    by_script = Script("sessions", "expire")(client, [KEYS.tag], [50])
    expected = _all(client, names)
    client.flushall()
    names = _crowd(client, records)

    by_us = Sweep(client, KEYS)(50)

    assert by_us == by_script == [12, 7, 3, []]
    assert _all(client, names) == expected
    [(survivor, ends)] = client.zrange(KEYS.expiry, 0, -1, withscores=True)
    assert (survivor, ends) == (b"s08", 9_999_999_999_999)


class Meddled(Sweep):
    """Somebody else uses a session just before the transaction."""

    def _commands(self, plan: Any) -> Any:
        self._client.hset(self._keys.session("s05"), "x", 9_999_999_999_999)
        return super()._commands(plan)


def test_nothing_is_removed_when_somebody_used_one_meanwhile(
    server: "Server", records: list[ProxyRecord]
) -> None:
    names = _crowd(server.client, records)
    server.client.hset(KEYS.session("s05"), "x", 9_999_999_999_999)
    before = _all(server.client, names)

    assert Meddled(server.client, KEYS)(50) is None

    assert _all(server.client, names) == before
    # The store goes on by the script, and the connection watches nothing any more.
    assert SessionStore(server.client, "default").expire(50)[:3] == [12, 7, 2]


@pytest.mark.parametrize("damage", ["type", "number", "missing", "text", "far"])
def test_a_record_that_makes_no_sense_is_for_the_script(
    server: "Server", records: list[ProxyRecord], damage: str
) -> None:
    client: Any = server.client
    _crowd(client, records)
    key = KEYS.session("s04")
    if damage == "type":
        client.delete(key)
        client.set(key, "no hash", px=600_000)
    elif damage == "number":
        client.hset(key, "x", "soon")
    elif damage == "far":
        client.hset(key, "x", "9" * 40)
    elif damage == "missing":
        client.hdel(key, "d")
    else:
        client.hset(key, "p", b"\xff\xfe")

    assert Sweep(client, KEYS)(50) is None

    seen, idle, old, stuck = SessionStore(client, "default").expire(50)
    assert seen == 12
    assert idle + old + len(stuck) == 10
    # A proxy whose name is no text is as good as one that is gone.
    assert stuck == ([] if damage == "text" else [b"s04"])


def test_a_proxy_that_was_removed_is_forgotten_with_its_last_session(
    server: "Server", records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    pool = ProxyPool(ProxyStore(client, "default"))
    manager = server.manager()
    manager.release(manager.acquire("s", hold=30), Outcome.OK)
    home = client.hget(KEYS.session("s"), "p")
    assert home is not None
    pool.set_mode(home.decode(), "removed")
    client.hset(KEYS.session("s"), "x", PAST)
    client.zadd(KEYS.expiry, {"s": PAST})

    assert Sweep(client, KEYS)(50) == [1, 1, 0, []]

    assert not client.exists(KEYS.live_proxy(home.decode()))


def test_one_that_was_not_forgotten_since_the_cleaner_died_is_found(
    redis: Any, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    lost, used = (record.id for record in records[:2])
    for proxy, sessions in ((lost, 1), (used, 2)):
        redis.hset(KEYS.live_proxy(proxy), "sessions", sessions)
        pool.set_mode(proxy, "removed")
    redis.hset(KEYS.live_proxy(lost), "sessions", 0)

    found = pool.strangers(lambda ids: set(ids) - {lost, used})

    assert found == [lost]
    pool.set_mode(lost, "removed")
    assert not redis.exists(KEYS.live_proxy(lost))


@pytest.mark.parametrize("by", ["sweep", "script"])
def test_counts_that_are_damaged_keep_no_session_alive(
    server: "Server", records: list[ProxyRecord], by: str
) -> None:
    client: Any = server.client
    _crowd(client, records)
    client.hset(KEYS.counters, "closed_idle", "many")
    client.set(KEYS.lifetimes, "no hash")
    client.hset(KEYS.live_proxy(records[0].id), "sessions", "some")

    if by == "sweep":
        assert Sweep(client, KEYS)(50) == [12, 7, 3, []]
    else:
        found = Script("sessions", "expire")(client, [KEYS.tag], [50])
        assert found == [12, 7, 3, []]

    assert client.zrange(KEYS.expiry, 0, -1) == [b"s08"]
    assert client.hget(KEYS.counters, "closed_max_age") == b"3"
    told = [_told(fields) for _, fields in client.xrange(KEYS.audit)]
    assert sorted(event["reason"] for event in told) == ["idle", "max_age"]
