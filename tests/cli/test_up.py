"""Services and settings: what starts, and what is refused at the start."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def test_a_state_folder_that_cannot_be_made_is_named(stack: "Stack") -> None:
    for command in (("proxies", "ls"), ("up",), ("migrate",)):
        done = stack.manage(*command, LIMPET_STATE_DIR="/proc/nowhere")

        assert done.returncode == 1
        assert done.stderr.startswith("limpet: LIMPET_STATE_DIR: cannot make")


def test_the_database_is_its_owner_s_alone_in_an_open_folder(stack: "Stack") -> None:
    stack.folder.chmod(0o755)

    stack.manage("migrate")

    assert (stack.folder / "limpet.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "command",
    [
        ("scrape", "http://x.example"),
        ("proxies", "ls"),
        ("proxies", "import", "-"),
        ("sessions", "ls"),
    ],
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
    ("variable", "value", "says"),
    [
        ("LIMPET_STATE_KEYS", "no-key", "key 1 is not 32 bytes"),
        ("LIMPET_STRATEGIES_DIR", "/proc/nowhere", "/proc/nowhere is not a folder"),
    ],
)
def test_up_refuses_what_a_worker_would_meet_at_its_first_job(
    stack: "Stack", variable: str, value: str, says: str
) -> None:
    done = stack.manage("up", **{variable: value})

    assert done.returncode == 1
    assert done.stderr.startswith(f"limpet: {variable}: {says}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("manage.py", "up"), ("-m", "celery", "-A", "tasks", "worker")]
)
def test_a_mistake_in_a_strategy_of_one_s_own_is_named_at_the_start(
    stack: "Stack", tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "mine.lua").write_text("-- Mine.\nreturn by_turns(func() end)")

    done = stack.run(*command, LIMPET_STRATEGIES_DIR=str(tmp_path))

    # Celery has a warning of its own for whoever is root.
    *_, line = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("limpet: LIMPET_STRATEGIES_DIR: mine.lua:2: ")
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize("service", ["worker", "beat", "flower"])
def test_a_url_with_a_bad_password_is_not_repeated_by_a_service(
    stack: "Stack", service: str
) -> None:
    command = ("-m", "celery", "-A", "tasks", service)

    done = stack.run(*command, CELERY_BROKER_URL="redis://:S3cret/x@h")

    assert done.returncode == 1
    assert done.stderr.startswith("limpet: CELERY_BROKER_URL: a password with")
    assert "S3cret" not in done.stderr + done.stdout


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
        workers = all(name in said() for name in ("scrape@", "render@", "upkeep@"))
        return workers and all(map(_listens, ports.values()))

    try:
        # Three workers, beat and Flower, on a machine that is busy.
        eventually(up, within=90)
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


def test_flower_s_options_in_the_file_count_and_the_environment_wins(
    stack: "Stack", tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("FLOWER_ADDRESS=0.0.0.0\nFLOWER_PORT=x\n")
    command = ("-m", "celery", "-A", "tasks", "flower")
    from_file = {"LIMPET_ENV_FILE": str(file), "FLOWER_PORT": "5555"}

    done = stack.run(*command, **from_file)

    assert done.returncode == 1
    assert "FLOWER_ADDRESS: '0.0.0.0' can be reached" in done.stderr


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


def test_settings_are_listed_and_secrets_are_not(stack: "Stack") -> None:
    done = stack.manage("settings", "--json")

    found = {row["variable"]: row["value"] for row in json.loads(done.stdout)}
    assert found["LIMPET_REDIS_URL"] == "(set)"
    assert found["SESSION_TIMEOUT_MINUTES"] == "30.0"


def test_migrate_makes_the_tables_and_may_be_repeated(stack: "Stack") -> None:
    codes = [stack.manage("migrate").returncode for _ in range(2)]

    assert codes == [0, 0]
    assert (stack.folder / "limpet.db").exists()


def test_a_database_that_cannot_be_used_is_named(
    stack: "Stack", tmp_path: Path
) -> None:
    stack.manage("migrate")
    with sqlite3.connect(stack.folder / "limpet.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'newer'")

    newer = stack.manage("proxies", "ls")
    nowhere = stack.manage("migrate", LIMPET_DATABASE_URL="sqlite:////proc/none/x.db")

    assert (newer.returncode, nowhere.returncode) == (1, 1)
    assert "the tables are of another Limpet version" in newer.stderr
    assert "LIMPET_DATABASE_URL: cannot open the database" in nowhere.stderr


def test_commands_that_start_together_on_a_new_folder_all_succeed(
    stack: "Stack",
) -> None:
    with ThreadPoolExecutor(4) as together:
        done = list(
            together.map(
                lambda n: stack.run(
                    *("manage.py", "proxies", "import", "-", "--json"),
                    stdin=f"10.0.0.{n}:80",
                ),
                range(4),
            )
        )

    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    listed = json.loads(stack.manage("proxies", "ls", "--json").stdout)
    assert [row["address"] for row in listed] == [
        f"http://10.0.0.{n}:80" for n in range(4)
    ]


def test_a_database_that_is_there_is_not_said_to_be_missing(stack: "Stack") -> None:
    stack.manage("migrate")
    with sqlite3.connect(stack.folder / "limpet.db") as database:
        database.execute("DROP TABLE proxies")

    broken = stack.manage("proxies", "import", "-", stdin="10.0.0.1:80")

    assert broken.returncode == 1
    assert "cannot open the database" not in broken.stderr
    assert "could not do what it was asked (SQLITE_ERROR)" in broken.stderr
