"""Old results go, rows first; a body stays as long as a row names it."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from limpet.errors import StoreUnavailable
from results import Artifacts, Removed, StoredPage, Wanted, prune, tables

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=10)


def _page(job: str, created: datetime, artifact: str | None = None) -> StoredPage:
    return StoredPage(
        job=job, item=0, pool="p", url="u", artifact=artifact, created=created
    )


def _age(folder: Path, sha: str) -> None:
    moment = OLD.timestamp()
    os.utime(folder / sha[:2] / sha[2:4] / sha, (moment, moment))


def _left(artifacts: Artifacts) -> set[str]:
    return {one.name for found in artifacts.all() for one in found}


def test_old_rows_and_old_bodies_that_nobody_names_are_removed(
    engine: Engine, artifacts: Artifacts, folder: Path
) -> None:
    alone, shared, young = (artifacts.put(body) for body in (b"1", b"2", b"3"))
    for sha in (alone, shared):
        _age(folder, sha)
    tables.save(engine, [_page("old-1", OLD, alone), _page("old-2", OLD, shared)])
    tables.save(engine, [_page("new", NOW, shared)])

    removed = prune(engine, artifacts, days=7)

    assert removed == Removed(rows=2, bodies=1)
    assert _left(artifacts) == {shared, young}
    assert [page.job for page in tables.find(engine, Wanted())] == ["new"]
    assert prune(engine, artifacts, days=7) == Removed()


def test_a_body_that_was_put_again_is_not_taken_from_its_job(
    engine: Engine, artifacts: Artifacts, folder: Path
) -> None:
    sha = artifacts.put(b"the same page as ten days ago")
    _age(folder, sha)

    artifacts.put(b"the same page as ten days ago")
    removed = prune(engine, artifacts, days=1)

    assert removed.bodies == 0
    assert _left(artifacts) == {sha}


def test_what_a_killed_writer_left_is_removed(
    engine: Engine, artifacts: Artifacts, folder: Path
) -> None:
    sha = artifacts.put(b"whole")
    part = folder / sha[:2] / sha[2:4] / f"{sha[:4]}.0123456789abcdef"
    part.write_bytes(b"who")
    os.utime(part, (1, 1))

    prune(engine, artifacts, days=365)

    assert _left(artifacts) == {sha}


def test_without_time_the_rest_is_left_for_the_next_turn(
    engine: Engine, artifacts: Artifacts
) -> None:
    old = _page("old", OLD)
    tables.save(engine, [replace(old, item=n) for n in range(600)])

    first = prune(engine, artifacts, days=1, budget=0)
    second = prune(engine, artifacts, days=1)

    assert first == Removed(rows=500, more=True)
    assert second == Removed(rows=100)


def test_nothing_is_removed_on_the_day_it_came(
    engine: Engine, artifacts: Artifacts
) -> None:
    with pytest.raises(ValueError, match="days: must be 1 or more"):
        prune(engine, artifacts, days=0)


def test_a_database_without_tables_is_an_error_of_ours(artifacts: Artifacts) -> None:
    with pytest.raises(StoreUnavailable, match="has it been migrated"):
        prune(create_engine("sqlite://"), artifacts, days=1)
