"""The command line, as a stranger types it: the right commands and the wrong ones."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import Lab

if TYPE_CHECKING:
    from tests.conftest import Stack

ROOT = Path(__file__).resolve().parent.parent


def test_an_import_keeps_the_good_lines_and_reports_the_bad_ones(
    stack: "Stack", tmp_path: Path
) -> None:
    file = tmp_path / "proxies.txt"
    file.write_text("10.0.0.1:80:me:S3cret\nnonsense:S3cret\n\n10.0.0.1:80:me:new\n")

    done = stack.manage("proxies", "import", str(file))

    assert done.returncode == 0, done.stderr
    assert "1 proxies in pool default: 1 new" in done.stdout
    assert "1 repeated, 1 bad lines skipped" in done.stdout
    assert "line 2: the port must be a number" in done.stderr
    assert "S3cret" not in done.stdout + done.stderr


def test_a_file_from_windows_or_of_no_text_at_all_is_read(
    stack: "Stack", tmp_path: Path
) -> None:
    windows, noise = tmp_path / "windows.txt", tmp_path / "noise"
    windows.write_bytes(b"\xef\xbb\xbf10.0.0.1:80\r\n10.0.0.2:80\r\n")
    noise.write_bytes(bytes(range(128, 256)) + b"\n10.0.0.3:80\n\x00\xff\n")

    done = [stack.manage("proxies", "import", str(file)) for file in (windows, noise)]

    assert [one.returncode for one in done] == [0, 0], done
    assert "2 new" in done[0].stdout
    assert "1 new, 0 known before, 0 repeated, 2 bad lines" in done[1].stdout


def test_a_state_folder_that_cannot_be_made_is_named(stack: "Stack") -> None:
    for command in (("proxies", "ls"), ("up",), ("migrate",)):
        done = stack.manage(*command, LIMPET_STATE_DIR="/proc/nowhere")

        assert done.returncode == 1
        assert done.stderr.startswith("limpet: LIMPET_STATE_DIR: cannot make")


def test_a_listing_shows_no_credentials(stack: "Stack") -> None:
    stack.manage("proxies", "import", "-", stdin="socks5h://me:S3cret@10.0.0.1:1080")

    table = stack.manage("proxies", "ls").stdout
    [row] = json.loads(stack.manage("proxies", "ls", "--json").stdout)

    assert "socks5h://10.0.0.1:1080" in table
    assert (row["address"], row["state"]) == ("socks5h://10.0.0.1:1080", "up")
    assert "S3cret" not in table + str(row)
    assert "me" not in row.values()


def test_an_empty_pool_says_what_to_do_next(stack: "Stack") -> None:
    assert "proxies import FILE" in stack.manage("proxies", "ls").stdout


def test_a_page_is_printed_and_told_about(stack: "Stack", lab: Lab) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    stack.worker()

    plain = stack.manage("scrape", f"{lab.site}/whoami", "--session", "me")
    as_json = stack.manage("scrape", f"{lab.site}/whoami", "--json")

    assert json.loads(plain.stdout)["address"] == lab.proxies[0].exit_address
    assert "session me" in plain.stderr
    assert json.loads(as_json.stdout)["status"] == 200


def test_a_failed_job_ends_the_command_with_its_reason(stack: "Stack") -> None:
    stack.worker()

    bad_url = stack.manage("scrape", "example.com")
    no_proxy = stack.manage("scrape", "http://example.com")

    assert (bad_url.returncode, no_proxy.returncode) == (1, 1)
    assert "limpet: url: must be an http:// or https:// URL" in bad_url.stderr
    assert "pool 'default' has no proxy: import some" in no_proxy.stderr


@pytest.mark.parametrize(
    "command",
    [("scrape", "http://x.example"), ("proxies", "ls"), ("proxies", "import", "-")],
)
def test_without_redis_a_command_says_so_in_a_line(
    stack: "Stack", free_port: Callable[[], int], command: tuple[str, ...]
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    stack.environment |= {"LIMPET_REDIS_URL": url, "CELERY_BROKER_URL": url}

    done = stack.manage(*command, stdin="10.0.0.1:80")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot reach" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "up"),
        ("-m", "celery", "-A", "tasks", "worker"),
        ("-m", "celery", "-A", "tasks", "beat"),
        ("-m", "celery", "-A", "tasks", "flower"),
    ],
)
def test_a_wrong_setting_stops_a_process_at_its_start_with_one_line(
    stack: "Stack", command: tuple[str, ...]
) -> None:
    done = stack.run(*command, SESSION_CLEANUP_INTERVAL_MINUTES="abc")

    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("limpet: SESSION_CLEANUP_INTERVAL_MINUTES: input should")


def test_up_says_which_port_is_taken(
    stack: "Stack", free_port: Callable[[], int]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        done = stack.manage("up", FLOWER_PORT=str(port))

    assert done.returncode == 1
    assert f"FLOWER_PORT: port {port} for Flower cannot be used" in done.stderr
    assert "already in use" in done.stderr


def test_up_runs_everything_embedded_and_leaves_nothing_behind(
    tmp_path: Path, free_port: Callable[[], int], eventually: Callable[..., None]
) -> None:
    ports = {"LIMPET_EMBEDDED_REDIS_PORT": free_port(), "FLOWER_PORT": free_port()}
    environment = {
        "PATH": "/usr/bin:/bin",
        "LIMPET_ENV_FILE": "/dev/null",
        "LIMPET_STATE_DIR": str(tmp_path / "state"),
        **{name: str(port) for name, port in ports.items()},
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def said() -> str:
        return (tmp_path / "log").read_text()

    def up() -> bool:
        assert process.poll() is None, said()
        return "celery@" in said() and all(map(_listens, ports.values()))

    try:
        eventually(up, within=40)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not any(map(_listens, ports.values()))
    assert (tmp_path / "state" / "limpet.db").exists()
    assert "Traceback" not in said()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"FLOWER_ADDRESS": "0.0.0.0"}, 1, "set FLOWER_BASIC_AUTH"),
        ({"FLOWER_ADDRESS": "::"}, 1, "set FLOWER_BASIC_AUTH"),
    ],
)
def test_flower_is_never_open_to_other_machines_without_a_password(
    stack: "Stack", environment: dict[str, str], code: int, says: str
) -> None:
    done = stack.run("-m", "celery", "-A", "tasks", "flower", **environment)

    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_flower_listens_on_loopback(
    stack: "Stack", free_port: Callable[[], int], eventually: Callable[..., None]
) -> None:
    port = free_port()
    stack.celery("flower", log="flower", FLOWER_PORT=str(port))

    eventually(lambda: _listens(port), within=20)

    assert f"http://127.0.0.1:{port}" in stack.log("flower").read_text()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if address.endswith(f":{port:04X}") and state == "0A":
            assert address.startswith("0100007F")
