"""Redis is filled from the inventory, and rid of what only Redis has, if told so."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redis import Redis

from cli.pool import Pool
from proxies import DIRECT, Proxy, ProxyPool, ProxyRecord, tables
from proxies.store import ProxyStore
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack

STRANGER = ProxyRecord(Proxy("http", "127.0.8.9", 80))


def there(redis: Redis) -> set[str]:
    return set(ProxyStore(redis, "default").ids())


def test_what_the_inventory_has_lost_is_removed_with_a_yes(
    stack: "Stack", imported: list[str], redis: Redis
) -> None:
    ProxyPool(ProxyStore(redis, "default")).publish([STRANGER])

    blind = stack.manage("proxies", "publish")
    kept = there(redis)
    done = stack.manage("proxies", "publish", "--yes", "--json")

    assert (blind.returncode, kept) == (1, {*imported, STRANGER.id})
    assert "3 proxies of pool default published" in blind.stdout
    assert (
        "Redis has 1 proxy that the inventory of pool default has not" in blind.stderr
    )
    found = {"pool": "default", "proxies": 3, "new": 0, "removed": 1}
    assert json.loads(done.stdout) == found
    assert there(redis) == set(imported)


def test_on_a_terminal_it_is_asked_about(
    stack: "Stack", imported: list[str], redis: Redis, terminal: Callable[..., Any]
) -> None:
    ProxyPool(ProxyStore(redis, "default")).publish([STRANGER])

    no = terminal("proxies", "publish", types="n\n")
    kept = there(redis)
    yes = terminal("proxies", "publish", types="y\n")

    assert (no.code, yes.code) == (1, 0)
    assert (STRANGER.id in kept, STRANGER.id in there(redis)) == (True, False)
    assert "1 proxy removed" in yes.text


def test_the_sessions_of_a_removed_one_move_and_then_it_is_forgotten(
    stack: "Stack",
    imported: list[str],
    place: Pool,
    manager: SessionManager,
    redis: Redis,
) -> None:
    gone = imported[0]
    manager.release(manager.acquire("me", hold=30))
    manager.migrate("me", gone)
    tables.remove(place.engine, "default", [gone])

    stack.manage("proxies", "publish", "--yes")
    bound = there(redis)
    again = stack.manage("proxies", "publish")
    moved = manager.acquire("me", hold=30)

    assert gone in bound
    assert again.returncode == 0, "one that is on its way out is not asked about again"
    assert moved.proxy.id in imported[1:]
    assert gone not in there(redis)


def test_one_that_may_not_be_used_is_found_too(
    stack: "Stack", imported: list[str], place: Pool, redis: Redis
) -> None:
    for mode, one in zip(("disabled", "draining", ""), imported, strict=True):
        place.proxies.set_mode(one, mode)
    tables.remove(place.engine, "default", imported)

    done = stack.manage("proxies", "publish", "--yes", "--json")

    assert json.loads(done.stdout)["removed"] == 3
    assert there(redis) == set()


def test_one_that_was_added_meanwhile_is_not_removed(
    place: Pool, imported: list[str]
) -> None:
    removed = place.retire(imported, progress=lambda _done, _all: None)

    assert removed == 0
    assert [one.mode for one in place.status(place.inventory())] == ["", "", ""]


def test_a_pool_that_became_direct_keeps_no_proxy(
    stack: "Stack", imported: list[str], redis: Redis
) -> None:
    done = stack.manage("proxies", "publish", "--yes", LIMPET_DIRECT_POOLS="default")

    assert "3 proxies removed" in done.stdout
    assert there(redis) == {DIRECT.id}


def test_another_pool_s_proxies_are_left_alone(
    stack: "Stack", imported: list[str], redis: Redis
) -> None:
    stack.manage("proxies", "import", "-", "--pool", "shop", stdin="127.0.8.9:80")

    done = stack.manage("proxies", "publish", "--pool", "shop", "--json")

    assert json.loads(done.stdout)["removed"] == 0
    assert there(redis) == set(imported)
