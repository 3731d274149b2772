"""Looking at proxies: what is shown, and what never is."""

import json
from typing import TYPE_CHECKING

import pytest

from proxies import Outcome, ProxyPool, Tried

if TYPE_CHECKING:
    from tests.stack import Stack


def test_a_listing_shows_no_credentials(stack: "Stack") -> None:
    stack.manage("proxies", "import", "-", stdin="socks5h://me:S3cret@127.0.8.1:1080")

    table = stack.manage("proxies", "ls").stdout
    [row] = json.loads(stack.manage("proxies", "ls", "--json").stdout)

    assert "socks5h://127.0.8.1:1080" in table
    assert (row["address"], row["state"]) == ("socks5h://127.0.8.1:1080", "unknown")
    assert "S3cret" not in table + str(row)
    assert "me" not in row.values()


def test_an_empty_pool_says_what_to_do_next(stack: "Stack") -> None:
    assert "proxies import FILE" in stack.manage("proxies", "ls").stdout


def test_a_filter_leaves_the_others_out(stack: "Stack", imported: list[str]) -> None:
    def ids(*options: str) -> list[str]:
        done = stack.manage("proxies", "ls", "--json", *options)
        return [row["id"] for row in json.loads(done.stdout)]

    first, second, third = imported
    assert ids("--country", "de") == [first, third]
    assert ids("--tag", "fast", "--tag", "mobile") == [first]
    assert ids("--tag", "fast", "--country", "US") == [second]
    assert ids("--state", "dead") == []


@pytest.mark.parametrize(
    ("option", "allowed"), [("--state", "'healthy', 'deg"), ("--sort", "'address', 's")]
)
def test_a_word_that_is_not_known_is_answered_with_those_that_are(
    stack: "Stack", option: str, allowed: str
) -> None:
    done = stack.manage("proxies", "ls", option, "foo")

    told = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert f"Invalid value for '{option}': 'foo' is not one of" in told
    assert allowed in told


def test_a_table_stops_at_its_limit_and_says_so(
    stack: "Stack", imported: list[str]
) -> None:
    done = stack.manage("proxies", "ls", "--limit", "2")

    assert "127.0.8.1" in done.stdout
    assert "127.0.8.2" not in done.stdout
    assert "3 of pool default, 2 shown" in done.stdout


def test_figures_are_sorted_from_the_largest(
    stack: "Stack", imported: list[str], pool: ProxyPool
) -> None:
    pool.report(imported[1], Tried(Outcome.FAULT, 0.1))
    pool.report(imported[2], Tried(Outcome.OK, 0.1))

    done = stack.manage("proxies", "ls", "--json", "--sort", "failures")

    rows = json.loads(done.stdout)
    assert [row["failures"] for row in rows] == [1, 0, 0]
    assert rows[0]["id"] == imported[1]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_table_is_never_wider_than_the_terminal(
    stack: "Stack", imported: list[str], columns: str
) -> None:
    done = stack.manage("proxies", "ls", COLUMNS=columns)

    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert ("in flight" in lines[0]) == (columns == "120")
    assert all(any(one in line for line in lines) for one in imported)


def test_all_but_the_credentials_of_a_proxy_is_shown(
    stack: "Stack", imported: list[str]
) -> None:
    table = stack.manage("proxies", "show", imported[0])
    found = json.loads(stack.manage("proxies", "show", imported[0], "--json").stdout)

    assert "http://127.0.8.0:8080" in table.stdout
    assert (found["country"], found["tags"]) == ("DE", ["fast", "mobile"])
    assert found["has_credentials"] is True
    assert "S3cret" not in table.stdout + str(found)
    assert "u" not in found.values()
