"""What a step of the clean-up leaves, and what it makes of damaged data."""

import json
from typing import Any

import pytest

from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions.store import SessionStore
from tests.sessions.conftest import Server

KEYS = Keys("default")
PAST = 1_000


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
            client.hincrby(KEYS.loads, fields["p"], 1)
        client.zadd(KEYS.expiry, {name: PAST + number})
    return [name.decode() for name in client.zrange(KEYS.expiry, 0, -1)]


def _events(client: Any) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in client.xrange(KEYS.audit)]


def _told(event: dict[bytes, bytes]) -> dict[str, Any]:
    told: dict[str, Any] = {k.decode(): v.decode() for k, v in event.items()}
    if "ended" in told:
        told["ended"] = json.loads(told["ended"])
    return told


def test_what_is_over_leaves_counts_and_figures_and_nothing_else(
    server: Server, records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    names = _crowd(client, records)
    homes = {name: client.hget(KEYS.session(name), "p") for name in names}

    assert SessionStore(client, "default").expire(50) == [0, 12, 7, 3, []]

    assert client.zrange(KEYS.expiry, 0, -1, withscores=True) == [
        (b"s08", 9_999_999_999_999)
    ]
    keys = [key(name) for name in names for key in (KEYS.session, KEYS.state)]
    assert [key for key in keys if client.exists(key)] == [KEYS.session("s08")]
    assert not client.exists(KEYS.warm, KEYS.warm_next)
    live = client.hmget(KEYS.loads, [one.id for one in records[:4]])
    assert live == [b"1", b"0", b"0", b"0"]
    assert client.hgetall(KEYS.counters) == {
        b"closed_idle": b"7",
        b"closed_max_age": b"3",
    }
    told = {event["reason"]: event for event in map(_told, _events(client))}
    assert sorted(told) == ["idle", "max_age"]
    # Sessions of one job are counted, and not told.
    assert told["max_age"]["sessions"] == "s00 s05 s10"
    assert told["idle"]["sessions"] == "s01 s02 s04 s06 s07 s11"
    [first, *_] = told["max_age"]["ended"]
    figures = ["1000", "0", "1000", "1000", "7", "2", "4321", "s00"]
    assert first == [homes["s00"].decode(), *figures]
    lives = client.hgetall(KEYS.lifetimes)
    assert sum(int(count) for name, count in lives.items() if name != b"sum") == 9


def test_leases_and_sessions_share_a_batch(
    server: Server, records: list[ProxyRecord]
) -> None:
    ProxyPool(ProxyStore(server.client, "default")).publish(records)
    manager = server.manager()
    for number in range(4):
        manager.release(manager.acquire(f"over{number}", hold=30))
    for number in range(3):
        manager.acquire(f"dead{number}", hold=30)
    for number in range(4):
        server.client.hset(KEYS.session(f"over{number}"), "x", PAST)
        server.client.zadd(KEYS.expiry, {f"over{number}": PAST})
    held: Any = server.client.zrange(KEYS.leases, 0, -1)
    server.client.zadd(KEYS.leases, dict.fromkeys(held, PAST))

    steps = [manager.expire(5) for _ in range(2)]

    assert [(one.leases, one.sessions, one.more) for one in steps] == [
        (3, 2, True),
        (0, 2, False),
    ]


@pytest.mark.parametrize("damage", ["type", "number", "missing", "text", "far"])
def test_a_record_that_makes_no_sense_hides_no_other(
    server: Server, records: list[ProxyRecord], damage: str
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

    _, seen, idle, old, stuck = SessionStore(client, "default").expire(50)
    assert seen == 12
    assert idle + old + len(stuck) == 10
    # A proxy whose name is no text is as good as one that is gone.
    assert stuck == ([] if damage == "text" else [b"s04"])


def test_a_proxy_that_was_removed_is_forgotten_with_its_last_session(
    server: Server, records: list[ProxyRecord]
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

    assert SessionStore(client, "default").expire(50) == [0, 1, 1, 0, []]

    assert not client.exists(KEYS.live_proxy(home.decode()))


def test_one_that_was_not_forgotten_since_the_cleaner_died_is_found(
    redis: Any, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    lost, used = (record.id for record in records[:2])
    for proxy, sessions in ((lost, 1), (used, 2)):
        redis.hset(KEYS.loads, proxy, sessions)
        pool.set_mode(proxy, "removed")
    redis.hset(KEYS.loads, lost, 0)

    found = pool.strangers(lambda ids: set(ids) - {lost, used})

    assert found == [lost]
    pool.set_mode(lost, "removed")
    assert not redis.exists(KEYS.live_proxy(lost))


def test_counts_that_are_damaged_keep_no_session_alive(
    server: Server, records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    _crowd(client, records)
    client.hset(KEYS.counters, "closed_idle", "many")
    client.set(KEYS.lifetimes, "no hash")
    client.hset(KEYS.loads, records[0].id, "some")

    assert SessionStore(client, "default").expire(50) == [0, 12, 7, 3, []]

    assert client.zrange(KEYS.expiry, 0, -1) == [b"s08"]
    assert client.hget(KEYS.counters, "closed_max_age") == b"3"
    told = [_told(fields) for fields in _events(client)]
    assert sorted(event["reason"] for event in told) == ["idle", "max_age"]


def test_counts_that_cannot_be_read_at_all_keep_no_session_alive(
    server: Server, records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    _crowd(client, records)
    client.delete(KEYS.loads)
    client.set(KEYS.loads, "no hash")

    assert SessionStore(client, "default").expire(50) == [0, 12, 7, 3, []]

    assert client.get(KEYS.loads) == b"no hash"
    assert client.zrange(KEYS.expiry, 0, -1) == [b"s08"]


def test_no_count_stays_of_a_proxy_of_which_nothing_else_is_there(
    server: Server, records: list[ProxyRecord]
) -> None:
    client: Any = server.client
    _crowd(client, records)
    lost, damaged, *rest = (record.id for record in records[:4])
    client.delete(KEYS.live_proxy(lost), KEYS.live_proxy(damaged))
    client.set(KEYS.live_proxy(damaged), "no hash")
    client.hset(KEYS.session("s08"), mapping={"x": PAST, "a": PAST})

    SessionStore(client, "default").expire(50)

    assert sorted(client.hkeys(KEYS.loads)) == sorted(map(str.encode, rest))
    assert client.get(KEYS.live_proxy(damaged)) == b"no hash"
