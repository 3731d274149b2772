"""Bodies: whole or not at all, named by what is in them, in a folder or in S3."""

import hashlib
import multiprocessing
import os
import socket
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from pydantic import SecretStr, ValidationError

from limpet.errors import ArtifactLost, ArtifactTooLarge, StoreUnavailable
from limpet.settings import Settings
from results import Artifacts, open_artifacts

ArtifactsAt = Callable[[str], Artifacts]

BODY = b"<!doctype html>\0\xff" * 100
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, artifacts_at: ArtifactsAt) -> Artifacts:
    return artifacts_at(str(request.getfixturevalue(request.param)))


def _names(store: Artifacts) -> list[str]:
    return [one.name for found in store.all() for one in found]


@pytest.mark.parametrize("body", [BODY, b"", b"x" * 100_000], ids=len)
def test_a_body_is_named_by_its_hash_and_comes_back(
    store: Artifacts, body: bytes
) -> None:
    sha = store.put(body, "text/html")

    assert sha == hashlib.sha256(body).hexdigest()
    assert store.get(sha) == body
    assert _names(store) == [sha]


def test_a_body_that_is_put_again_is_kept_once(store: Artifacts) -> None:
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: store.put(BODY, "text/html"), range(24)))

    assert names == {SHA}
    assert _names(store) == [SHA]
    assert store.get(SHA) == BODY


def test_a_body_that_is_not_there_is_lost_and_not_waited_for(store: Artifacts) -> None:
    store.put(BODY)

    for sha in ("0" * 64, "../../etc/passwd", "", SHA.upper()):
        with pytest.raises(ArtifactLost, match="is missing"):
            store.get(sha)


def test_a_body_that_is_too_large_is_refused(store: Artifacts) -> None:
    with pytest.raises(ArtifactTooLarge, match=r"100,001 .* \(100,000\)"):
        store.put(b"x" * 100_001)

    assert _names(store) == []


def test_a_body_that_is_removed_is_gone_and_may_be_removed_again(
    store: Artifacts,
) -> None:
    store.put(BODY)

    store.remove(SHA)
    store.remove(SHA)

    assert _names(store) == []
    with pytest.raises(ArtifactLost):
        store.get(SHA)


def test_what_is_kept_says_how_old_it_is(store: Artifacts) -> None:
    store.put(BODY)

    [[kept]] = store.all()

    assert abs(datetime.now(UTC) - kept.modified) < timedelta(minutes=5)
    assert not kept.leftover


def test_a_folder_has_two_levels_and_is_its_owner_s_alone(
    artifacts: Artifacts, folder: Path
) -> None:
    artifacts.put(BODY)

    file = folder / SHA[:2] / SHA[2:4] / SHA
    assert file.read_bytes() == BODY
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
    assert [one for one in folder.rglob("*") if one.is_file()] == [file]


@pytest.mark.parametrize("damage", [b"", BODY[:-1], BODY[:-1] + b"!", b"x" * 200_000])
def test_a_damaged_body_is_noticed_when_it_is_read(
    artifacts: Artifacts, folder: Path, damage: bytes
) -> None:
    artifacts.put(BODY)
    (folder / SHA[:2] / SHA[2:4] / SHA).write_bytes(damage)

    with pytest.raises(ArtifactLost, match=f"{SHA} is damaged"):
        artifacts.get(SHA)


def test_a_body_that_was_cut_short_is_made_whole_by_the_next_put(
    artifacts: Artifacts, folder: Path
) -> None:
    artifacts.put(BODY)
    (folder / SHA[:2] / SHA[2:4] / SHA).write_bytes(BODY[:50])

    artifacts.put(BODY)

    assert artifacts.get(SHA) == BODY


def test_an_old_body_that_is_put_again_is_young(
    artifacts: Artifacts, folder: Path
) -> None:
    artifacts.put(BODY)
    os.utime(folder / SHA[:2] / SHA[2:4] / SHA, (1, 1))

    artifacts.put(BODY)

    [[kept]] = artifacts.all()
    assert datetime.now(UTC) - kept.modified < timedelta(minutes=5)


def test_a_reader_never_sees_half_a_body(artifacts: Artifacts, folder: Path) -> None:
    body = b"x" * 100_000
    sha, over = artifacts.put(body), threading.Event()
    file = folder / sha[:2] / sha[2:4] / sha

    def write() -> None:
        while not over.is_set():
            os.utime(file, (1, 1))  # so that it is written again
            artifacts.put(body)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        read = [artifacts.get(sha) == body for _ in range(300)]
        over.set()
        writing.result()

    assert all(read)


def test_a_place_that_refuses_is_an_error_that_can_be_cured(
    artifacts_at: ArtifactsAt, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    store = artifacts_at(f"{file}/S3cret")

    with pytest.raises(StoreUnavailable, match=r"cannot write a body \(LIMPET_ARTIF"):
        store.put(BODY)


def test_a_bucket_that_is_not_there_is_one_too(
    artifacts_at: ArtifactsAt, s3: str
) -> None:
    store = artifacts_at("s3://no-such-bucket/x")

    with pytest.raises(StoreUnavailable, match="no such folder or bucket"):
        store.put(BODY)


def test_s3_that_is_away_is_one_too_and_tells_no_secret(
    artifacts_at: ArtifactsAt, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    store = artifacts_at(f"{s3}/away")

    with pytest.raises(StoreUnavailable, match="cannot write a body") as caught:
        store.put(BODY)

    told = repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    for secret in ("S3cretAccessKey", "key-id", str(port), "limpet-bodies"):
        assert secret not in told


def test_a_worker_that_was_forked_has_a_client_of_its_own(
    artifacts_at: ArtifactsAt, s3: str
) -> None:
    artifacts_at(s3).put(BODY)
    context = multiprocessing.get_context("fork")

    with warnings.catch_warnings(), ProcessPoolExecutor(1, mp_context=context) as child:
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        read = child.submit(_read, s3).result(60)

    assert read == BODY


def _read(url: str) -> bytes:
    settings = Settings(artifacts_url=SecretStr(url), artifact_max_bytes=100_000)
    return open_artifacts(settings).get(SHA)


def test_s3_is_told_what_a_body_is(artifacts_at: ArtifactsAt, s3: str) -> None:
    artifacts_at(s3).put(BODY, "text/html; charset=utf-8")

    parts = urlsplit(s3)
    key = f"{parts.path.strip('/')}/{SHA[:2]}/{SHA[2:4]}/{SHA}"
    client = boto3.client("s3")
    about = client.head_object(Bucket=parts.netloc, Key=key)
    client.close()
    assert about["ContentType"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "url",
    [
        "relative/folder",
        "s3:///prefix",
        "s3://key:S3cret@bucket/x",
        "s3://bucket/x?key=S3cret",
        "ftp://h/S3cret",
        "file://host/x",
    ],
)
def test_a_url_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(artifacts_url=SecretStr(url))
