"""Probing: a real request through each proxy, and what is made of it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

Listed = Callable[[], list[dict[str, Any]]]


def test_each_proxy_is_tried_and_its_health_is_told(
    stack: "Stack", lab: Lab, listed: Listed
) -> None:
    stack.manage("proxies", "import", "-", stdin="\n".join(p.line for p in lab.proxies))
    seen = len(lab.visits())

    done = stack.manage("proxies", "probe", "--url", f"{lab.site}/shop/probe/1")

    visits = lab.visits(seen)
    assert done.returncode == 0, done.stderr
    assert "5 of 5 answered well" in done.stdout
    assert {one.address for one in visits} == {p.exit_address for p in lab.proxies}
    assert {row["state"] for row in listed()} == {"healthy"}
    assert all(row["response_ms"] > 0 for row in listed())


def test_a_proxy_that_fails_is_told_from_one_that_does_not(
    stack: "Stack", lab: Lab, listed: Listed, free_port: Callable[[], int]
) -> None:
    good = lab.proxies[0].line
    wrong = lab.proxies[1].line.replace("user2:", "user2:S3cret")
    dead = f"http://me:S3cret@127.0.0.1:{free_port()}"
    stack.manage("proxies", "import", "-", stdin=f"{good}\n{wrong}\n{dead}")

    done = stack.manage(
        "proxies", "probe", "--url", f"{lab.site}/whoami", "--json", "--timeout", "5"
    )

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert sorted(row["outcome"] for row in found) == ["fault", "ok", "refused"]
    assert "S3cret" not in done.stdout + done.stderr
    by_id = {row["id"]: row["state"] for row in listed()}
    assert {row["id"]: row["state"] for row in found} == by_id
    assert sorted(by_id.values()) == ["degraded", "degraded", "healthy"]


def test_no_answer_in_time_counts_half_since_nobody_knows_who_is_to_blame(
    stack: "Stack", lab: Lab, listed: Listed
) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    slow = f"{lab.site}/shop/probe/1?delay=30"

    done = stack.manage("proxies", "probe", "--url", slow, "--timeout", "0.5", "--json")

    [row] = json.loads(done.stdout)
    assert row["outcome"] == "fault"
    assert row["detail"].startswith("timeout (blame: unknown)")
    assert [one["failures_in_a_row"] for one in listed()] == [0.5]


def test_only_those_that_are_named_are_tried(
    stack: "Stack", lab: Lab, listed: Listed
) -> None:
    stack.manage("proxies", "import", "-", stdin="\n".join(p.line for p in lab.proxies))
    one = listed()[2]["id"]

    done = stack.manage("proxies", "probe", one, "--url", f"{lab.site}/whoami")

    assert "1 of 1 answered well" in done.stdout
    states = {row["id"]: row["state"] for row in listed()}
    assert states.pop(one) == "healthy"
    assert set(states.values()) == {"unknown"}


@pytest.mark.parametrize(("code", "outcome"), [(403, "blocked"), (500, "none")])
def test_a_page_that_refuses_says_nothing_of_the_proxy(
    stack: "Stack", lab: Lab, listed: Listed, code: int, outcome: str
) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)

    done = stack.manage(
        "proxies", "probe", "--url", f"{lab.site}/status/{code}", "--json"
    )

    [row] = json.loads(done.stdout)
    assert done.returncode == 1
    assert (row["outcome"], row["status"]) == (outcome, str(code))
    assert [one["state"] for one in listed()] == ["unknown"]


def test_a_probe_that_cannot_be_is_refused(stack: "Stack") -> None:
    url = ("--url", "http://127.0.0.1:9")
    no_url = stack.manage("proxies", "probe")
    bad_url = stack.manage("proxies", "probe", "--url", "file:///etc/passwd")
    no_time = stack.manage("proxies", "probe", *url, "--timeout", "0")
    empty = stack.manage("proxies", "probe", *url)
    direct = stack.manage("proxies", "probe", *url, LIMPET_DIRECT_POOLS="default")

    codes = [one.returncode for one in (no_url, bad_url, no_time, empty, direct)]
    assert codes == [2, 2, 2, 1, 1]
    assert "limpet: --url: must be an http:// or https:// URL" in bad_url.stderr
    assert "pool default has no proxies" in empty.stderr
    assert "goes out without a proxy" in direct.stderr
