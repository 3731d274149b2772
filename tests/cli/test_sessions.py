"""Looking at sessions, ending them and moving them."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from proxies import Outcome
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack

COOKIES = [
    {"name": name, "value": "S3cret", "domain": domain, "path": "/"}
    for name, domain in (("a", "shop.example"), ("b", ".shop.example"), ("c", "x.test"))
]


@pytest.fixture
def three(manager: SessionManager) -> list[str]:
    """Three sessions that have fetched a page each, with cookies."""
    names = ["me", "user-42", "you"]
    for name in names:
        manager.release(
            manager.acquire(name, hold=30),
            Outcome.OK,
            elapsed=0.1,
            url="http://shop.example/cart?key=S3cret",
            patch={"cookies": COOKIES, "headers": {"X-Token": "S3cret"}},
        )
    return names


def test_sessions_are_listed_up_to_the_limit(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    table = stack.manage("sessions", "ls", "--limit", "2")
    found = json.loads(stack.manage("sessions", "ls", "--json").stdout)

    assert "2 shown, there are more" in table.stdout
    assert sorted(row["session"] for row in found) == three
    assert {row["requests"] for row in found} == {1}


def test_the_sessions_of_one_proxy_are_listed(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    info = manager.get("me")
    assert info is not None

    done = stack.manage("sessions", "ls", "--proxy", info.proxy, "--json")
    none = stack.manage("sessions", "ls", "--proxy", "0123456789")

    assert [row["session"] for row in json.loads(done.stdout)] == ["me"]
    assert "no session of pool default is bound to proxy" in none.stdout


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_table_of_sessions_fits_the_terminal(
    stack: "Stack", three: list[str], columns: str
) -> None:
    done = stack.manage("sessions", "ls", COLUMNS=columns)

    assert max(map(len, done.stdout.splitlines())) <= int(columns)
    assert ("last url" in done.stdout) == (columns == "120")


def test_a_pool_without_sessions_names_those_that_exist(
    stack: "Stack", three: list[str]
) -> None:
    done = stack.manage("sessions", "ls", "--pool", "shop")

    assert "pool shop has no sessions" in done.stdout
    assert "other pools: default" in done.stdout


def test_a_session_is_shown_without_what_is_secret_in_it(
    stack: "Stack", three: list[str]
) -> None:
    text = stack.manage("sessions", "show", "me")
    found = json.loads(stack.manage("sessions", "show", "me", "--json").stdout)

    assert found["cookies"] == {"shop.example": 2, "x.test": 1}
    assert found["headers"] == ["X-Token"]
    assert [event["event"] for event in found["events"]] == ["created"]
    assert "http://shop.example/cart" in text.stdout
    assert "S3cret" not in text.stdout + str(found)


def test_the_version_of_a_state_is_a_plain_number_with_its_time(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    info = manager.get("me")
    assert info is not None
    manager.acquire("new", hold=30)

    shown = stack.manage("sessions", "show", "me").stdout
    never = stack.manage("sessions", "show", "new").stdout

    assert re.search(
        rf"^state version +{info.state_version}, \d+ \w+ ago", shown, re.MULTILINE
    )
    assert re.search(r"^state version +- *$", never, re.MULTILINE)


@pytest.mark.parametrize("name", ["-", "-dash", "--pool", "--yes"])
def test_an_id_that_begins_with_a_dash_goes_after_two(
    stack: "Stack", imported: list[str], manager: SessionManager, name: str
) -> None:
    manager.release(manager.acquire(name, hold=30))

    shown = stack.manage("sessions", "show", "--json", "--", name)
    moved = stack.manage("sessions", "migrate", "--to", imported[0], "--", name)
    closed = stack.manage("sessions", "close", "--yes", "--json", "--", name)

    assert json.loads(shown.stdout)["session"] == name
    assert moved.returncode == 0, moved.stderr
    assert json.loads(closed.stdout) == {"closed": [name]}


def test_an_id_that_was_taken_for_an_option_gets_a_hint(stack: "Stack") -> None:
    for command in ("show", "close", "migrate"):
        done = stack.manage("sessions", command, "-dash")

        assert done.returncode == 2
        assert f"goes last, after --: {command} -- -x" in done.stderr
    assert "after --" not in stack.manage("sessions", "ls", "-dash").stderr


def test_named_sessions_are_closed_only_with_a_yes(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    command = ("sessions", "close", "me", "you", "me", "--json")
    blind = stack.manage(*command)
    left = len(list(manager.all()))
    done = stack.manage(*command, "--yes")

    assert (blind.returncode, left) == (1, 3)
    assert "End 2 sessions of pool default? Say so with --yes" in blind.stderr
    assert json.loads(done.stdout) == {"closed": ["me", "you"]}
    assert [info.session for info in manager.all()] == ["user-42"]


def test_an_unknown_session_closes_none(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    for unknown in ("nobody", "", "{default}:x"):
        done = stack.manage("sessions", "close", "me", unknown)

        assert done.returncode == 1
        assert f"pool default has no session {unknown!r}" in done.stderr
        assert "sessions ls --pool default" in done.stderr
    assert len(list(manager.all())) == 3


def test_all_sessions_are_closed_only_with_a_yes(
    stack: "Stack",
    three: list[str],
    manager: SessionManager,
    terminal: Callable[..., Any],
) -> None:
    blind = stack.manage("sessions", "clear")
    no = terminal("sessions", "clear", types="n\n")
    left = len(list(manager.all()))
    done = stack.manage("sessions", "clear", "--yes", "--json")

    assert (blind.returncode, no.code, left) == (1, 1, 3)
    assert "End 3 sessions of pool default? Say so with --yes" in blind.stderr
    assert json.loads(done.stdout) == {"pool": "default", "closed": 3}
    assert list(manager.all()) == []


def test_a_session_moves_to_the_proxy_of_one_s_choice(
    stack: "Stack", imported: list[str], three: list[str], manager: SessionManager
) -> None:
    info = manager.get("me")
    assert info is not None
    to = next(one for one in imported if one != info.proxy)

    done = stack.manage("sessions", "migrate", "me", "--to", to, "--json")
    again = stack.manage("sessions", "migrate", "me", "--to", to)

    moved = {"session": "me", "from": info.proxy, "proxy": to, "generation": 2}
    assert json.loads(done.stdout) == moved
    assert "is there already" in again.stdout


def test_a_move_that_cannot_be_says_why(
    stack: "Stack", imported: list[str], three: list[str], manager: SessionManager
) -> None:
    for name in three:
        manager.migrate(name, imported[0])
    manager.acquire("me", hold=30)
    stack.manage("proxies", "disable", imported[1])

    def told(session: str, *to: str) -> tuple[int, str]:
        done = stack.manage("sessions", "migrate", session, *to)
        return done.returncode, done.stderr

    assert told("me", "--to", imported[2])[1].endswith("is in use by another job\n")
    assert (
        "must be a proxy of the pool that may be used now"
        in told("you", "--to", imported[1])[1]
    )
    assert "has no proxy 'x'" in told("you", "--to", "x")[1]
    assert "has no session 'x'" in told("x", "--to", imported[0])[1]
    assert told("you")[0] == 2


def test_figures_of_a_pool_are_shown(
    stack: "Stack", three: list[str], manager: SessionManager
) -> None:
    manager.close("you")

    text = stack.manage("sessions", "stats").stdout
    found = json.loads(stack.manage("sessions", "stats", "--json").stdout)

    assert (found["sessions"], found["closed"]) == (2, {"closed": 1})
    assert 75 <= found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"] <= 100
    assert found["counters"]["acquired"] == 3
    assert "p95 ms" in text


def test_a_wrong_password_of_redis_is_said_by_its_variable(
    stack: "Stack", redis: Redis
) -> None:
    redis.config_set("requirepass", "right")
    try:
        wrong = stack.redis_url.replace("//", "//:wr0ng@")
        done = stack.manage("sessions", "ls", LIMPET_REDIS_URL=wrong)
    finally:
        redis.config_set("requirepass", "")

    assert done.returncode == 1
    assert "Redis refused the user name or password" in done.stderr
    assert "see LIMPET_REDIS_URL" in done.stderr
    assert "make up" not in done.stderr
    assert "wr0ng" not in done.stdout + done.stderr
