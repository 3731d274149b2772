"""Both databases: SQLite, and a PostgreSQL that the tests start."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from limpet import database
from limpet.settings import Settings

Eventually = Callable[..., None]


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _postgres_programs() -> Path:
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found:
        folders.append(Path(found).resolve().parent)
    if not folders:
        assert "CI" not in os.environ, "PostgreSQL is missing: apt-get install it"
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    return folders[-1]


@pytest.fixture(scope="session")
def postgres(eventually: Eventually) -> Iterator[str]:
    """Run PostgreSQL for the whole session, in a zone far from UTC; its URL."""
    programs, port = _postgres_programs(), str(_port())
    # It refuses to be root, and pytest's folders are for their owner alone.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="limpet-postgres-"))
    if user:
        shutil.chown(folder, user)
    data = str(folder / "data")
    subprocess.run(
        [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "limpet", "-N"],
        user=user,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [
            *(str(programs / "postgres"), "-D", data, "-k", str(folder)),
            *("-h", "127.0.0.1", "-p", port),
            *("-c", "fsync=off", "-c", "timezone=Asia/Tokyo"),
        ],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", port]
        return subprocess.run(ready, check=False, capture_output=True).returncode == 0

    eventually(answers, within=60)
    url = f"postgresql+psycopg://limpet@127.0.0.1:{port}/postgres"
    yield url
    database.engine(url).dispose()
    server.terminate()
    server.wait(30)
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with one of the two databases."""
    if request.param == "sqlite":
        return Settings(state_dir=tmp_path)
    url = request.getfixturevalue("postgres")
    return Settings(state_dir=tmp_path, database_url=SecretStr(url))


def _processes(url: str) -> list[int]:
    """The server's processes: the first one, and those that it has made."""
    engine = create_engine(url)
    with engine.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        # Its own process ends with the connection.
        told = Path(f"/proc/{backend}/stat").read_text()
    engine.dispose()
    first = int(told.rpartition(")")[2].split()[1])
    made = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, made)]


@contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop the PostgreSQL at *url* for a while; needs ``/proc``."""
    stopped = []
    try:
        for process in _processes(url):
            if Path(f"/proc/{process}").exists():
                os.kill(process, signal.SIGSTOP)
                stopped.append(process)
        yield
    finally:
        for process in stopped:
            # One that had ended before is gone as soon as the first one goes on.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
