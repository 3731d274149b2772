"""``sessions restore``: what Redis lost comes back from SQL, by one command."""

import json
from typing import TYPE_CHECKING

from redis import Redis

from cli.pool import Pool
from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.store import HistoryStore, audit_of
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.conftest import Stack


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


def _other(place: Pool, proxies: list[str]) -> str:
    info = place.sessions.get("me")
    assert info is not None
    return next(one for one in proxies if one != info.proxy)
