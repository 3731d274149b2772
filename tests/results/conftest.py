"""Tables on both databases, and an artifact store on both kinds of places."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from limpet import database, schema
from limpet.settings import Settings
from results import Artifacts, open_artifacts
from tests.databases import config, postgres

__all__ = ["config", "postgres"]

Eventually = Callable[..., None]

#: Of a bucket that lives for a test.
BUCKET = "limpet-bodies"
S3_SECRET = "S3cretAccessKey"


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def engine(config: Settings) -> Engine:
    """An empty database of this version's shape."""
    schema.upgrade(config)
    made = database.engine(config.sql_url)
    with made.begin() as connection:
        connection.execute(text("DELETE FROM pages"))
    return made


@pytest.fixture(scope="session")
def s3_server(eventually: Eventually) -> Iterator[str]:
    """A server that speaks S3; its endpoint."""
    port = _port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, within=30)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, with what its users have in their environment; its URL."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=one["Key"])
    client.close()
    return f"s3://{BUCKET}/bodies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where `artifacts` are; nobody has made it yet."""
    return tmp_path / "artifacts"


@pytest.fixture
def artifacts_at() -> Callable[[str], Artifacts]:
    """Open a store that takes bodies of up to 100,000 bytes."""
    return lambda url: open_artifacts(
        Settings(artifacts_url=SecretStr(url), artifact_max_bytes=100_000)
    )


@pytest.fixture
def artifacts(folder: Path, artifacts_at: Callable[[str], Artifacts]) -> Artifacts:
    return artifacts_at(str(folder))
