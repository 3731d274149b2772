"""Proxies from files: what is kept, what is said of the rest, and what is refused."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis

if TYPE_CHECKING:
    from tests.stack import Stack


def test_an_import_keeps_the_good_lines_and_reports_the_bad_ones(
    stack: "Stack", tmp_path: Path
) -> None:
    file = tmp_path / "proxies.txt"
    file.write_text("127.0.8.1:80:me:S3cret\nnonsense:S3cret\n\n127.0.8.1:80:me:new\n")

    done = stack.manage("proxies", "import", str(file))

    assert done.returncode == 0, done.stderr
    assert "1 proxy in pool default: 1 new" in done.stdout
    assert "1 repeated, 1 bad line skipped" in done.stdout
    assert "line 2: the port must be a number" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr


def test_a_file_from_windows_or_of_no_text_at_all_is_read(
    stack: "Stack", tmp_path: Path
) -> None:
    windows, noise = tmp_path / "windows.txt", tmp_path / "noise"
    windows.write_bytes(b"\xef\xbb\xbf127.0.8.1:80\r\n127.0.8.2:80\r\n")
    noise.write_bytes(bytes(range(128, 256)) + b"\n127.0.8.3:80\n\x00\xff\n")

    done = [stack.manage("proxies", "import", str(file)) for file in (windows, noise)]

    assert [one.returncode for one in done] == [0, 0], done
    assert "2 new" in done[0].stdout
    assert "1 new, 0 known before, 0 repeated, 2 bad lines" in done[1].stdout


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    stack: "Stack", redis: Redis
) -> None:
    done = stack.manage("proxies", "import", "-", "--dry-run", stdin="127.0.8.1:80\nx")

    assert done.returncode == 0, done.stderr
    assert "1 proxy would be in pool default: 1 new, 0 known before" in done.stdout
    assert "line 2: the port is missing" in done.stderr
    assert list(stack.folder.iterdir()) == []
    assert redis.keys() == []


def test_a_dry_run_knows_the_inventory_and_leaves_it(
    stack: "Stack", imported: list[str], listed: Callable[..., list[dict[str, Any]]]
) -> None:
    text = "http://u:new@127.0.8.1:8080\n127.0.8.9:80\n"

    done = stack.manage("proxies", "import", "-", "--dry-run", "--json", stdin=text)

    found = json.loads(done.stdout)
    assert (found["new"], found["known_before"]) == (1, 1)
    assert [row["id"] for row in listed()] == imported


def test_a_dry_run_leaves_even_old_tables_alone(stack: "Stack", tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "old.db").execute("CREATE TABLE proxies (id)").close()
    command = ("proxies", "import", "-", "--dry-run")

    old, absent = (
        stack.manage(
            *command,
            stdin="127.0.8.1:80",
            LIMPET_DATABASE_URL=f"sqlite:///{tmp_path}/{name}.db",
        )
        for name in ("old", "absent")
    )

    assert (old.returncode, absent.returncode) == (1, 0)
    assert "run `python manage.py migrate`" in old.stderr
    assert "1 new" in absent.stdout
    assert [file.name for file in tmp_path.glob("*.db")] == ["old.db"]


def test_an_import_for_scripts_is_json_with_every_bad_line(stack: "Stack") -> None:
    text = "127.0.8.1:80\n" + "nonsense:S3cret\n" * 30

    done = stack.manage("proxies", "import", "-", "--json", stdin=text)

    found = json.loads(done.stdout)
    assert (found["format"], found["proxies"], found["new"]) == ("lines", 1, 1)
    assert [bad["line"] for bad in found["bad"]] == list(range(2, 32))
    assert "S3cret" not in done.stdout + done.stderr


def test_many_bad_lines_are_counted(stack: "Stack") -> None:
    done = stack.manage("proxies", "import", "-", stdin="x\n" * 30 + "127.0.8.1:80")

    assert "and 10 more bad lines" in done.stderr
    assert "30 bad lines skipped" in done.stdout


def test_a_format_can_be_said(stack: "Stack") -> None:
    text = '["127.0.8.1:80"]'

    told = stack.manage("proxies", "import", "-", "--format", "json", stdin=text)
    wrong = stack.manage("proxies", "import", "-", "--format", "lines", stdin=text)
    none = stack.manage("proxies", "import", "-", "--format", "xml", stdin=text)

    assert "1 new" in told.stdout
    assert (wrong.returncode, none.returncode) == (1, 2)
    assert "names no proxy that can be used" in wrong.stderr


def test_a_direct_pool_takes_no_proxies(stack: "Stack") -> None:
    done = stack.manage(
        *("proxies", "import", "-", "--pool", "open"),
        stdin="127.0.8.1:80",
        LIMPET_DIRECT_POOLS="open",
    )

    assert done.returncode == 1
    assert "pool open goes out without a proxy" in done.stderr


def test_a_file_that_cannot_be_read_is_a_wrong_use(stack: "Stack") -> None:
    done = [stack.manage("proxies", "import", file) for file in ("/proc/none", "/proc")]

    assert [one.returncode for one in done] == [2, 2]
    assert "Traceback" not in done[0].stderr + done[1].stderr


def test_thousands_of_rows_show_how_far_it_is(
    stack: "Stack", terminal: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"10.1.{n // 250}.{n % 250}:80\n" for n in range(3000)))

    code, text = terminal("proxies", "import", str(file))

    assert code == 0
    assert "3000/3000" in text
    assert "3,000 proxies in pool default: 3,000 new" in text


def test_an_import_without_redis_says_what_was_saved_and_what_to_do(
    stack: "Stack", free_port: Callable[[], int]
) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    command = ("proxies", "import", "-", "--pool", "shop")

    done = stack.manage(*command, stdin="127.0.8.1:80", LIMPET_REDIS_URL=away)
    then = stack.manage("proxies", "publish", "--pool", "shop")

    assert done.returncode == 1
    assert "1 proxy saved" in done.stderr
    assert "python manage.py proxies publish --pool shop" in done.stderr
    assert "1 new to Redis" in then.stdout
