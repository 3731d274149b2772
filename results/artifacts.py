"""Bodies of pages, named by what is in them: the same body is kept once.

A folder, or a bucket of S3, by fsspec. A body is either there whole or not at all, and
is checked against its name whenever it is read.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from limpet.errors import (
    ArtifactLost,
    ArtifactTooLarge,
    ConfigurationError,
    StoreUnavailable,
)
from limpet.settings import Settings

_VARIABLE: Final = "LIMPET_ARTIFACTS_URL"
_SHA: Final = re.compile(r"[0-9a-f]{64}")
_NOTHING: Final = hashlib.sha256().hexdigest()
#: A body that is put again is written again once it is older: so `prune`, which leaves
#: a day's bodies alone, cannot take one that a row is just about to name.
_FRESH: Final = timedelta(hours=1)
#: What a write that was killed has left is removed after this time.
_LEFTOVER: Final = timedelta(days=1)
#: A frozen S3 must not hold a job for ever. botocore's own are 60 s, five times.
_S3: Final[dict[str, Any]] = {
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 20,
        "retries": {"max_attempts": 2, "mode": "standard"},
    }
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A body in the store: its name, or that of an unfinished write, and its age."""

    name: str
    modified: datetime

    @property
    def leftover(self) -> bool:
        """Whether it is what a killed writer has left, long ago."""
        old = datetime.now(UTC) - self.modified > _LEFTOVER
        return old and not _SHA.fullmatch(self.name)


class Artifacts:
    """A store at *root* of *files*; for threads.

    Every method raises `StoreUnavailable` when the store is away or refuses: that can
    be cured, and its text holds neither an address nor a credential.
    """

    def __init__(
        self, files: fsspec.AbstractFileSystem, root: str, *, max_bytes: int
    ) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._max_bytes = max_bytes
        self._local = isinstance(files, LocalFileSystem)

    def put(self, body: bytes, content_type: str = "") -> str:
        """Keep *body*; return its SHA-256 in hex. Safe to repeat and to race.

        Raises:
            ArtifactTooLarge: it is over ``LIMPET_ARTIFACT_MAX_BYTES``.
        """
        if len(body) > self._max_bytes:
            raise ArtifactTooLarge(len(body), self._max_bytes)
        sha = hashlib.sha256(body).hexdigest()
        path = self._path(sha)
        with _answering("write"):
            if not self._fresh(path, len(body)):
                self._write(path, body, content_type)
        return sha

    def check(self) -> None:
        """See that a body could be kept now: that of nothing is written."""
        with _answering("write"):
            self._write(self._path(_NOTHING), b"", "")

    def get(self, sha: str) -> bytes:
        """Return the body *sha*, checked.

        Raises:
            ArtifactLost: it is not there, or not what it was.
        """
        path = self._path(sha)
        try:
            with _answering("read"):
                # Not a range of it: S3 has none of an empty body.
                large = self._files.size(path) > self._max_bytes
                body: bytes = b"" if large else self._files.cat_file(path)
        except FileNotFoundError:
            raise ArtifactLost(sha, "missing") from None
        if large or hashlib.sha256(body).hexdigest() != sha:
            raise ArtifactLost(sha, "damaged")
        return body

    def all(self) -> Iterator[list[Kept]]:
        """Yield all that is kept, a 256th of it at a time."""
        for first in self._list(self._root):
            found = self._tree(str(first["name"])).values()
            yield [_kept(self._files, one) for one in found]

    def remove(self, name: str) -> None:
        """Remove what `all` has found; it may be gone."""
        with _answering("remove"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._place(name))

    def _path(self, sha: str) -> str:
        if not _SHA.fullmatch(sha):
            raise ArtifactLost(sha[:64], "missing")
        return self._place(sha)

    def _place(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name[2:4]}/{name}"

    def _fresh(self, path: str, size: int) -> bool:
        try:
            found = self._files.info(path)
        except FileNotFoundError:
            return False
        age = datetime.now(UTC) - _modified(self._files, found)
        return found.get("size") == size and age < _FRESH

    def _write(self, path: str, body: bytes, content_type: str) -> None:
        if not self._local:
            # An object is there whole or not at all.
            about = {"ContentType": content_type} if content_type.isascii() else {}
            about = {name: value for name, value in about.items() if value}
            self._files.pipe_file(path, body, **about)
            return
        folder, _, name = path.rpartition("/")
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - fsspec has texts
        part = f"{folder}/{name[:4]}.{secrets.token_hex(8)}"
        try:
            _write_through(part, body)
            os.replace(part, path)  # noqa: PTH105 - as above
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(part)

    def _list(self, path: str) -> list[dict[str, Any]]:
        try:
            with _answering("list"):
                found: list[dict[str, Any]] = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return [one for one in found if one["type"] == "directory"]

    def _tree(self, path: str) -> dict[str, dict[str, Any]]:
        try:
            with _answering("list"):
                found: dict[str, dict[str, Any]] = self._files.find(path, detail=True)
        except FileNotFoundError:
            return {}
        return found


def _write_through(path: str, body: bytes) -> None:
    # To the disk: the row that names it will be there after a power cut, too.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _answering(what: str) -> Iterator[None]:
    """Say in one line of ours what is wrong, but for a file that is not there."""
    try:
        yield
    except FileNotFoundError:
        if what == "write":
            raise _unavailable(what, "there is no such folder or bucket") from None
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise _unavailable(what, reason) from None
    except Exception as error:  # noqa: BLE001 - each store has its own, with its URL
        raise _unavailable(what, type(error).__name__) from None


def _unavailable(what: str, reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"cannot {what} a body ({_VARIABLE}: {reason})")


def _kept(files: fsspec.AbstractFileSystem, entry: dict[str, Any]) -> Kept:
    name = str(entry["name"]).rpartition("/")[2]
    return Kept(name, _modified(files, entry))


def _modified(files: fsspec.AbstractFileSystem, entry: dict[str, Any]) -> datetime:
    """Read it from a listing, where each store has its own name for it."""
    for name in ("mtime", "LastModified"):
        found = entry.get(name)
        if isinstance(found, int | float):
            return datetime.fromtimestamp(found, UTC)
        if isinstance(found, datetime):
            return found.astimezone(UTC)
    asked: datetime = files.modified(entry["name"])
    return asked.astimezone(UTC)


def open_artifacts(settings: Settings) -> Artifacts:
    """Return this process's store, as ``LIMPET_ARTIFACTS_URL`` says.

    Nothing is asked of it yet. Credentials of S3 come from the environment alone
    (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and so on, or the machine's role).

    Raises:
        ConfigurationError: what the URL needs is not installed.
    """
    # A client of S3 has a thread, which a forked worker does not inherit.
    return _open(settings.artifacts, settings.artifact_max_bytes, os.getpid())


@cache
def _open(url: str, max_bytes: int, _process: int) -> Artifacts:
    scheme = url.partition("://")[0] if "://" in url else "file"
    # Listings that are kept would show what another worker has removed.
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        options.update(_S3)
    try:
        files = fsspec.filesystem(scheme, **options)
    except ImportError:
        raise ConfigurationError(
            f"{_VARIABLE}: {scheme}:// needs the extra {scheme!r} (pip install s3fs)"
        ) from None
    if scheme == "s3":
        return Artifacts(files, url.removeprefix("s3://"), max_bytes=max_bytes)
    path = unquote(urlsplit(url).path) if "://" in url else url
    return Artifacts(files, path, max_bytes=max_bytes)
