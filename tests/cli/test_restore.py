"""``sessions restore``: what Redis lost comes back from SQL, by one command."""

import json
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from redis import Redis

from cli.pool import Pool
from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.store import HistoryStore, audit_of
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack


def checkpoint(place: Pool, redis: Redis, *names: str) -> dict[str, str]:
    """Make sessions and copy them to SQL; return their proxies."""
    manager = place.sessions
    for name in names:
        lease = manager.acquire(name, hold=30)
        manager.release(lease, patch={"metadata": {"who": name}})
    keeper = Checkpoints(HistoryStore(redis), place.engine, Names(), place.sealer)
    while keeper.step(place.name).more:
        pass
    return bindings(manager)


def bindings(manager: SessionManager) -> dict[str, str]:
    return {info.session: info.proxy for info in manager.all()}


def test_all_that_redis_lost_comes_back(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    before = checkpoint(place, redis, "me", "you")
    redis.flushdb()

    dry = stack.manage("sessions", "restore", "--dry-run")
    nothing = bindings(place.sessions)
    done = stack.manage("sessions", "restore")

    state = place.sessions.state("me")
    assert "2 sessions would be restored in pool default" in dry.stdout
    assert nothing == {}
    assert "2 sessions restored in pool default, 0 of them on another" in done.stdout
    assert (done.returncode, bindings(place.sessions)) == (0, before)
    assert state is not None
    assert state.metadata == {"who": "me"}


def test_what_is_there_is_left_as_it_is_and_json_says_so(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    checkpoint(place, redis, "me", "you")
    place.sessions.close("you")

    done = stack.manage("sessions", "restore", "--pool", "default", "--json")

    told = json.loads(done.stdout)
    counts = {
        name: number for name, number in told["pools"]["default"].items() if number
    }
    assert (told["dry_run"], counts) == (False, {"restored": 1, "there": 1})


def test_without_copies_it_says_so(stack: "Stack") -> None:
    done = stack.manage("sessions", "restore")
    named = stack.manage("sessions", "restore", "--pool", "N0!")

    assert (done.returncode, named.returncode) == (0, 2)
    assert "there are no copies of sessions in SQL" in done.stdout
    assert "--pool: must be 1 to 32" in named.stderr


def test_a_pool_without_copies_is_told_from_one_that_has_some(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    checkpoint(place, redis, "me")

    done = stack.manage("sessions", "restore", "--pool", "shop", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "no copies of sessions of pool shop" in done.stderr
    assert "there are of default" in done.stderr


def test_sessions_without_a_proxy_are_left_out(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    checkpoint(place, redis, "me")
    redis.flushdb()
    for one in imported:
        place.remove(one)

    done = stack.manage("sessions", "restore")

    assert done.returncode == 1
    assert "1 session left out: no proxy may be used now" in done.stderr


def test_events_that_redis_has_no_more_are_shown_from_sql(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    checkpoint(place, redis, "me", "you")
    Drain(HistoryStore(redis), place.engine, Names()).audit("default")
    redis.delete(audit_of("default"))
    place.sessions.migrate("me", _other(place, imported))

    found = json.loads(stack.manage("sessions", "show", "me", "--json").stdout)

    events = [(event["event"], event["session"]) for event in found["events"]]
    assert events == [("rebound", "me"), ("created", "me")]


def test_a_session_that_has_ended_is_shown_with_what_sql_says(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    proxy = checkpoint(place, redis, "me")["me"]
    place.sessions.close("me")

    soon = json.loads(stack.manage("sessions", "show", "me", "--json").stdout)
    Drain(HistoryStore(redis), place.engine, Names()).audit("default")
    redis.delete(audit_of("default"))
    done = stack.manage("sessions", "show", "me", "--json")
    text = stack.manage("sessions", "show", "me")
    never = stack.manage("sessions", "show", "you")

    found = json.loads(done.stdout)
    assert (soon["ended"], [one["event"] for one in soon["events"]]) == (
        *(True, ["closed", "created"]),
    )
    told = ("ended", "reason", "proxy", "requests", "failovers")
    assert [found[name] for name in told] == [True, "closed", proxy, 1, 0]
    assert [one["event"] for one in found["events"]] == ["closed", "created"]
    assert text.returncode == 0
    assert "it has ended" in text.stdout
    assert "ago" in text.stdout
    assert never.returncode == 1
    assert "has no session 'you'" in never.stderr


def test_an_ended_session_is_found_under_the_name_that_it_has_in_sql(
    stack: "Stack", place: Pool, imported: list[str], redis: Redis
) -> None:
    key = "a key of enough characters"
    checkpoint(place, redis, "me")
    place.sessions.close("me")
    Drain(HistoryStore(redis), place.engine, Names(key)).audit("default")
    redis.delete(audit_of("default"))

    environment = {
        "LIMPET_HISTORY_HASH_KEY": key,
        "LIMPET_STATE_KEYS": Fernet.generate_key().decode(),
    }
    done = stack.manage("sessions", "show", "me", "--json", **environment)

    found = json.loads(done.stdout)
    assert (found["session"], found["reason"]) == ("me", "closed")


def _other(place: Pool, proxies: list[str]) -> str:
    info = place.sessions.get("me")
    assert info is not None
    return next(one for one in proxies if one != info.proxy)
