"""Chapter 1: proxies. What one is, where they come from, which is taken next."""

from collections import Counter

from redis import Redis

from proxies import Proxy, ProxyPool, ProxyRecord, parse_proxy
from proxies.sources import read
from proxies.store import ProxyStore
from sessions import SessionManager


def test_a_proxy_is_read_from_a_line() -> None:
    proxy = parse_proxy("socks5h://me:secret@proxy.example:1080")

    assert proxy == Proxy("socks5h", "proxy.example", 1080, "me", "secret")


def test_a_proxy_hides_its_credentials() -> None:
    proxy = parse_proxy("http://me:secret@proxy.example:8080")

    assert proxy.address == "http://proxy.example:8080"
    assert "secret" not in f"{proxy!r} {proxy!s} {proxy.id}"


def test_a_proxy_keeps_its_identity_when_its_password_changes() -> None:
    old = parse_proxy("http://me:old@proxy.example:8080")
    new = parse_proxy("http://me:new@proxy.example:8080")
    other = parse_proxy("http://you:old@proxy.example:8080")

    assert old.id == new.id != other.id


def test_a_file_gives_its_good_lines_and_reports_the_bad_ones() -> None:
    found = read(
        ["# mine", "127.0.8.1:8080", "", "127.0.8.2:8080:me:pw", "127.0.8.3:99999"]
    )

    assert [record.proxy.host for record in found.records] == ["127.0.8.1", "127.0.8.2"]
    assert [bad.number for bad in found.bad] == [5]


def test_new_sessions_are_spread_over_the_pool_in_turn(manager: SessionManager) -> None:
    leases = [manager.acquire(f"user-{n}", hold=30) for n in range(20)]

    assert set(Counter(lease.proxy.id for lease in leases).values()) == {4}


def test_publishing_again_changes_nothing(redis: Redis) -> None:
    pool = ProxyPool(ProxyStore(redis, "eu"))
    records = [ProxyRecord(parse_proxy(f"127.0.8.{n}:8080")) for n in range(2)]

    assert [pool.publish(records), pool.publish(records)] == [2, 0]
