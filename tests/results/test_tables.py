"""Durable rows: kept once, found again, on SQLite and on PostgreSQL."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect
from sqlmodel import SQLModel

from limpet import schema
from limpet.settings import ROOT, Settings
from results import StoredPage, Wanted, tables

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 89, timezone(timedelta(hours=2)))
FULL = StoredPage(
    job="job-1",
    item=3,
    pool="eu",
    url="https://shop.example/p?token=1&q=ü",
    session="user-42",
    proxy="4f1c22d09a",
    generation=2,
    status=200,
    content_type="text/html; charset=utf-8",
    size=2**33,
    elapsed=0.25,
    data={"title": "Füße ☃", "prices": [1, 2.5], "none": None, "deep": {"a": True}},
    artifact="ab" * 32,
    created=MOMENT,
)
BARE = StoredPage(job="job-2", item=0, pool="us", url="http://h/", error="timeout")


def _pages(job: str, count: int) -> list[StoredPage]:
    return [replace(FULL, job=job, item=n, data={"n": n}) for n in range(count)]


def _found(engine: Engine, **wanted: Any) -> list[StoredPage]:
    return list(tables.find(engine, Wanted(**wanted)))


def test_what_is_saved_comes_back(engine: Engine) -> None:
    tables.save(engine, [FULL, BARE])

    found = tables.get(engine, "job-1", 3)
    bare = tables.get(engine, "job-2")

    assert found == FULL
    assert found.created
    assert found.created.utcoffset() == timedelta(0)
    assert bare
    assert bare.created
    assert replace(bare, created=None) == BARE
    assert abs(datetime.now(UTC) - bare.created) < timedelta(minutes=5)
    assert tables.get(engine, "job-1", 4) is None


def test_a_job_that_runs_again_is_kept_once_as_it_was_last(engine: Engine) -> None:
    tables.save(engine, [replace(FULL, item=n) for n in range(3)])

    tables.save(engine, [replace(FULL, item=1, status=404, created=None)])

    assert [page.status for page in _found(engine, job="job-1")] == [200, 404, 200]
    again = tables.get(engine, "job-1", 1)
    assert again
    assert again.created == MOMENT


def test_pages_of_one_batch_may_repeat_each_other(engine: Engine) -> None:
    tables.save(engine, [FULL, replace(FULL, status=500)])

    assert [page.status for page in _found(engine)] == [500]


def test_writers_of_the_same_rows_do_not_hinder_each_other(engine: Engine) -> None:
    pages = _pages("job", 200)
    mixed = [pages, pages[::-1], pages[100:] + pages[:100], pages]

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda some: tables.save(engine, some), mixed))

    assert done == [None] * 4
    assert len(_found(engine)) == 200


def test_pages_are_found_by_what_is_asked(engine: Engine) -> None:
    tables.save(engine, [FULL, replace(BARE, created=MOMENT + timedelta(days=1))])

    def jobs(**wanted: Any) -> list[str]:
        assert tables.count(engine, Wanted(**wanted)) == len(_found(engine, **wanted))
        return [page.job for page in _found(engine, **wanted)]

    assert jobs() == ["job-1", "job-2"]
    assert jobs(job="job-1") == ["job-1"]
    assert jobs(pool="us") == ["job-2"]
    assert jobs(session="user-42", pool="eu") == ["job-1"]
    assert jobs(session="user-42", pool="us") == []
    assert jobs(since=MOMENT) == ["job-1", "job-2"]
    assert jobs(since=MOMENT + timedelta(seconds=1)) == ["job-2"]
    newest = tables.find(engine, Wanted(), newest=True, limit=1)
    assert [page.job for page in newest] == ["job-2"]


def test_a_job_that_died_learns_which_pages_it_has(engine: Engine) -> None:
    tables.save(engine, _pages("job", 700))

    assert tables.items(engine, "job") == set(range(700))
    assert tables.items(engine, "other") == set()


@pytest.mark.parametrize(
    ("strange", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("half \ud83d of a pair", "half ? of a pair"),
        ([float("nan"), float("inf"), -1.5], [None, None, -1.5]),
        ({"k\0": {"x": ("\0",)}}, {"k\ufffd": {"x": ["\ufffd"]}}),
        (None, None),
        ("", ""),
        (2**62, 2**62),
    ],
)
def test_what_a_database_cannot_hold_is_made_plain(
    engine: Engine, strange: object, kept: object
) -> None:
    odd = replace(FULL, url="http://h/\0", content_type="x" * 999, data=strange)

    tables.save(engine, [odd])

    found = tables.get(engine, "job-1", 3)
    assert found
    assert found.data == kept
    assert found.url == "http://h/\ufffd"
    assert found.content_type == "x" * 255


@pytest.mark.parametrize("job", ["x" * 999, "a\0b", "\ud83d"])
def test_a_task_may_be_called_anything(engine: Engine, job: str) -> None:
    tables.save(engine, [replace(FULL, job=job, item=0)])

    assert tables.get(engine, job)
    assert tables.items(engine, job) == {0}
    assert len(_found(engine, job=job)) == 1
    assert _found(engine, session="\0" * 999) == []


def test_pages_are_read_a_batch_at_a_time(engine: Engine) -> None:
    tables.save(
        engine, [replace(FULL, item=n, data=f"{n:04}" * 1000) for n in range(6000)]
    )

    tracemalloc.start()
    try:
        count = sum(1 for _ in tables.find(engine, Wanted()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 6000
    assert peak < 12_000_000, "all of it would be over 24 MB"


def test_data_that_is_too_deep_is_cut_and_not_refused(engine: Engine) -> None:
    deep: object = "bottom"
    for _ in range(500):
        deep = [deep]

    tables.save(engine, [replace(FULL, data=deep)])

    found = tables.get(engine, "job-1", 3)
    assert found
    assert str(found.data).startswith("[[[[")
    assert "bottom" not in str(found.data)


def test_old_pages_are_removed_a_batch_at_a_time(engine: Engine) -> None:
    tables.save(engine, _pages("old", 30))
    tables.save(engine, [BARE])

    before = datetime.now(UTC) - timedelta(days=1)
    removed = [tables.remove(engine, before=before, most=20) for _ in range(3)]

    assert removed == [20, 10, 0]
    assert [page.job for page in _found(engine)] == ["job-2"]


def test_the_migration_makes_what_the_table_says(
    config: Settings, engine: Engine
) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        differences = [
            str(one)
            for one in compare_metadata(context, SQLModel.metadata)
            if "pages" in str(one)
        ]
    columns = {one["name"] for one in inspect(engine).get_columns("pages")}

    assert differences == []
    assert columns == set(tables.PageRow.model_fields)


def test_the_migration_can_be_taken_back(config: Settings, engine: Engine) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    alembic.attributes["engine"] = engine

    command.downgrade(alembic, "0002")
    gone = inspect(engine).has_table("pages")
    schema.upgrade(config)

    assert not gone
    assert inspect(engine).has_table("pages")
