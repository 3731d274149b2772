"""Jobs that are done once, however often they are sent: those with a key.

The claim on a key is in Redis (`results.store`), since every worker asks at the start
of every such job. It is taken when a job first runs, and of the job that it belongs to
it knows the task id alone: the result stays where results are.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from limpet.connection import session_redis
from limpet.errors import InvalidJob, StoreUnavailable
from limpet.jobs import SessionJob
from limpet.settings import settings
from results.store import ClaimState, OnceStore
from tasks.celery import app


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a key is: *first* says that the job that asked is to run.

    If not, *task_id* names the job that is or was it, and *done* says which.
    """

    first: bool
    task_id: str
    done: bool = False


def claim_for(job: SessionJob, task_id: str) -> Claim | None:
    """Take the key of *job* for its task, or say whose it is; `None`: it has none.

    Raises:
        InvalidJob, StoreUnavailable: as `claim`.
    """
    if job.idempotency_key is None:
        return None
    asked = job.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    age = job.max_age
    return claim(job.pool, job.idempotency_key, task_id, job=asked, max_age=age)


def claim(
    pool: str,
    key: str,
    task_id: str,
    *,
    job: Mapping[str, Any] | None = None,
    max_age: float | None = None,
) -> Claim:
    """Take *key* of *pool* for a task, or say whose it is.

    The window of `LIMPET_IDEMPOTENCY_WINDOW_SECONDS` begins with the first claim. A
    task that claims again, as it does when it is retried or redelivered, goes on, and
    renews its claim. One that is never heard of again, without even a redelivery,
    loses it after the greatest age of a job (*max_age*, in seconds, if it has its own)
    and one visibility timeout: a job that runs for longer than that claims again in
    between.

    *job* is what the job asks for: the same key with another job is a mistake.

    Raises:
        InvalidJob: the key was used for a job that asks for something else.
        StoreUnavailable: Redis or the result backend did not answer.
    """
    config = settings()
    store = _store(pool)
    take = partial(
        store.claim,
        key,
        task_id,
        fingerprint=_fingerprint(job or {}),
        window=config.idempotency_window_seconds,
        hold=(max_age or config.job_max_age_seconds)
        + config.visibility_timeout_seconds,
    )
    state, owner = take()
    if state not in {ClaimState.MINE, ClaimState.DONE} and _revoked(owner):
        # Whoever had to say so has died, or does not know of it yet.
        store.finish(key, owner, done=False)
        state, owner = take()
    if state is ClaimState.OTHER_JOB:
        raise InvalidJob(
            f"idempotency_key: was used for another job (task {owner}) with other "
            "arguments"
        )
    done = state is ClaimState.DONE
    # Its own: it died after its claim said so. Only if its result is there too is
    # there nothing left to do.
    lost = done and owner == task_id and _result(owner) is None
    return Claim(state is ClaimState.MINE or lost, owner, done)


def finish(pool: str, key: str, task_id: str) -> None:
    """Say that the job is done: until the window ends, none with its key runs.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    _store(pool).finish(key, task_id, done=True)


def release(pool: str, key: str, task_id: str) -> None:
    """Say that the job has failed for good: the next one with its key is to run.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    _store(pool).finish(key, task_id, done=False)


def answer(found: Claim) -> dict[str, Any]:
    """Return the result of a job that was not the first with its key.

    The first one's own result, if that is still kept, and in any case
    ``duplicate_of``, its task id, and ``state``: ``running`` or ``done``.

    Raises:
        StoreUnavailable: the result backend did not answer.
    """
    kept = _result(found.task_id) if found.done else None
    about = {
        "duplicate_of": found.task_id,
        "state": "done" if found.done else "running",
    }
    return {**kept, **about} if isinstance(kept, dict) else about


def _store(pool: str) -> OnceStore:
    return OnceStore(session_redis(settings()), pool)


def _fingerprint(job: Mapping[str, Any]) -> str:
    text = json.dumps(job, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _result(task_id: str) -> object:
    """Return what a task returned, `None` if it has not, or it is forgotten."""
    kept = _kept(task_id)
    return kept["result"] if kept["status"] == "SUCCESS" else None


def _revoked(task_id: str) -> bool:
    return bool(_kept(task_id)["status"] == "REVOKED")


def _kept(task_id: str) -> dict[str, Any]:
    backend: Any = app.backend
    # What others call reads again and again until the backend is there.
    read = getattr(backend, "_get_task_meta_for", backend.get_task_meta)
    try:
        found: dict[str, Any] = read(task_id)
        return {"status": found["status"], "result": found["result"]}
    except Exception:  # noqa: BLE001 - each backend has its own, with its URL
        raise StoreUnavailable("cannot reach CELERY_RESULT_BACKEND") from None
