"""What may be done with a proxy: told to SQL and to Redis, if all are known."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redis import Redis

from proxies import DIRECT, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack

Listed = Callable[[], list[dict[str, Any]]]
Terminal = Callable[..., Any]


def modes(listed: Listed) -> list[str]:
    return [row["mode"] for row in listed()]


def test_a_disabled_proxy_stays_so_when_redis_is_filled_again(
    stack: "Stack", imported: list[str], listed: Listed, redis: Redis
) -> None:
    done = stack.manage("proxies", "disable", *imported[:2])
    redis.flushdb()

    published = stack.manage("proxies", "publish", "--json")

    assert "2 proxies disabled" in done.stdout
    assert json.loads(published.stdout)["new"] == 3
    assert modes(listed) == ["disabled", "disabled", ""]


def test_what_was_asked_of_proxies_outlives_a_lost_redis(
    stack: "Stack",
    imported: list[str],
    listed: Listed,
    redis: Redis,
    manager: SessionManager,
) -> None:
    stack.manage("proxies", "drain", imported[0])
    stack.manage("proxies", "evacuate", imported[1])
    redis.flushdb()

    stack.manage("proxies", "publish")

    assert modes(listed) == ["draining", "evacuating", ""]
    used = {manager.acquire(f"s{n}", hold=30).proxy.id for n in range(6)}
    assert used == {imported[2]}


def test_an_import_undoes_none_of_it(
    stack: "Stack", imported: list[str], listed: Listed
) -> None:
    stack.manage("proxies", "drain", imported[0])
    stack.manage("proxies", "evacuate", imported[1])
    rows = "".join(f"http://u:n3w@127.0.8.{n}:8080,true\n" for n in range(3))

    done = stack.manage("proxies", "import", "-", stdin=f"url,enabled\n{rows}")

    assert done.returncode == 0, done.stderr
    assert modes(listed) == ["draining", "evacuating", ""]


def test_what_was_enabled_stays_so_when_redis_is_filled_again(
    stack: "Stack", imported: list[str], listed: Listed, redis: Redis
) -> None:
    for mode in ("drain", "disable", "enable"):
        stack.manage("proxies", mode, imported[0])
    redis.flushdb()

    stack.manage("proxies", "publish")

    assert modes(listed) == ["", "", ""]


def test_the_last_word_about_a_proxy_counts(
    stack: "Stack", imported: list[str], listed: Listed
) -> None:
    for mode, one in (("disable", 0), ("evacuate", 0), ("drain", 1), ("disable", 1)):
        stack.manage("proxies", mode, imported[one])

    stack.manage("proxies", "publish")

    assert modes(listed) == ["evacuating", "disabled", ""]


def test_enabling_undoes_all_of_it(
    stack: "Stack", imported: list[str], listed: Listed
) -> None:
    for mode, one in zip(("disable", "drain", "evacuate"), imported, strict=True):
        assert stack.manage("proxies", mode, one).returncode == 0
    assert modes(listed) == ["disabled", "draining", "evacuating"]

    done = stack.manage("proxies", "enable", *imported, "--json")

    assert json.loads(done.stdout) == {"ids": imported, "mode": "enabled"}
    assert modes(listed) == ["", "", ""]


def test_a_mode_reaches_a_proxy_that_redis_has_lost(
    stack: "Stack", imported: list[str], listed: Listed, redis: Redis
) -> None:
    redis.flushdb()

    stack.manage("proxies", "drain", imported[0])

    assert modes(listed) == ["draining", "", ""]
    assert [row["state"] for row in listed()] == ["unknown", *["unpublished"] * 2]


def test_an_unknown_id_changes_nothing_and_says_where_to_look(
    stack: "Stack", imported: list[str], listed: Listed
) -> None:
    for command in ("disable", "enable", "drain", "evacuate", "rm"):
        done = stack.manage("proxies", command, imported[0], "0123456789")

        assert done.returncode == 1
        assert "pool default has no proxy '0123456789'" in done.stderr
        assert "proxies ls --pool default" in done.stderr
    assert modes(listed) == ["", "", ""]


def test_an_evacuation_moves_the_sessions_and_keeps_those_in_use(
    stack: "Stack", imported: list[str], manager: SessionManager
) -> None:
    proxy = imported[0]
    for n in range(20):
        manager.release(manager.acquire(f"s{n}", hold=30))
    bound = [info.session for info in manager.all() if info.proxy == proxy]
    manager.acquire(bound[0], hold=30)

    done = stack.manage("proxies", "evacuate", proxy, "--json")

    found = {"moved": len(bound) - 1, "in_use": 1, "stuck": 0}
    assert json.loads(done.stdout) == {"ids": [proxy], **found}
    assert [one.session for one in manager.all() if one.proxy == proxy] == bound[:1]


def test_a_lazy_evacuation_moves_a_session_at_its_next_use(
    stack: "Stack", imported: list[str], manager: SessionManager
) -> None:
    lease = manager.acquire("me", hold=30)
    manager.release(lease)
    manager.migrate("me", imported[0])

    done = stack.manage("proxies", "evacuate", imported[0], "--only-lazy")

    before, after = manager.get("me"), manager.acquire("me", hold=30)
    assert "1 proxy evacuating: sessions move at their next use" in done.stdout
    assert before is not None
    assert before.proxy == imported[0] != after.proxy.id


def test_nothing_is_removed_without_a_yes(
    stack: "Stack", imported: list[str], listed: Listed, terminal: Terminal
) -> None:
    blind = stack.manage("proxies", "rm", imported[0])
    no = terminal("proxies", "rm", imported[0], types="n\n")
    kept = len(listed())
    yes = terminal("proxies", "rm", imported[0], types="y\n")

    assert blind.returncode == no.code == 1
    assert len(blind.stderr.splitlines()) == 1
    assert "Say so with --yes" in blind.stderr
    assert (kept, yes.code, len(listed())) == (3, 0, 2)


def test_a_removed_proxy_is_gone_from_redis_too(
    stack: "Stack", imported: list[str], redis: Redis
) -> None:
    done = stack.manage("proxies", "rm", *imported[:2], "--yes", "--json")

    assert json.loads(done.stdout) == {"ids": imported[:2], "mode": "removed"}
    live = ProxyStore(redis, "default").live(imported)
    assert [bool(row) for row in live] == [False, False, True]


def test_what_only_redis_knows_can_be_removed(stack: "Stack", redis: Redis) -> None:
    strange = ProxyRecord(Proxy("http", "127.0.8.9", 80))
    ProxyPool(ProxyStore(redis, "default")).publish([DIRECT, strange])

    done = stack.manage("proxies", "rm", DIRECT.id, strange.id, "--yes")

    assert done.returncode == 0, done.stderr
    assert ProxyStore(redis, "default").live([DIRECT.id, strange.id]) == [{}, {}]
