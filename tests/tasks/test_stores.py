"""Writes are tried again where they are; stores are asked before they are needed."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet import database
from limpet.errors import StoreUnavailable
from limpet.settings import Settings
from results import open_artifacts
from results.page import StoredPage
from tasks.page import Page
from tasks.stores import Stores

PAGE = Page("http://shop.test/", 200, {}, b"<p>kept")
ROW = StoredPage(job="j", item=0, pool="default", url="http://shop.test/")


@pytest.fixture
def stores_at(tmp_path: Path) -> Callable[[Path], Stores]:
    """Make the way to a folder for bodies, and to a database without tables."""

    def make(bodies: Path) -> Stores:
        url = f"sqlite:///{tmp_path}/empty.db"
        config = Settings(_env_file=None, artifacts_url=str(bodies), database_url=url)
        return Stores(open_artifacts(config), lambda: database.engine(config.sql_url))

    return make


def test_a_store_that_comes_back_gets_the_body_without_another_fetch(
    stores_at: Callable[[Path], Stores], tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    bodies.touch()
    back = threading.Timer(0.5, bodies.unlink)
    back.start()

    sha = stores_at(bodies).put(PAGE, task="j")

    assert list(bodies.glob(f"*/*/{sha}"))


def test_a_store_that_stays_away_is_an_error(
    stores_at: Callable[[Path], Stores], tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    bodies.touch()
    stores = stores_at(bodies)

    with pytest.raises(StoreUnavailable, match="cannot write a body"):
        stores.put(PAGE, task="j")
    with pytest.raises(StoreUnavailable, match="has it been migrated"):
        stores.keep([ROW], task="j")


def test_what_a_job_wants_to_keep_is_asked_for_and_nothing_else(
    stores_at: Callable[[Path], Stores], tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    bodies.touch()
    stores = stores_at(bodies)

    stores.ready(None)
    with pytest.raises(StoreUnavailable, match="has it been migrated"):
        stores.ready("row")
    with pytest.raises(StoreUnavailable, match="cannot write a body"):
        stores.ready("body")


def test_a_store_that_did_not_take_a_body_is_asked_anew(
    stores_at: Callable[[Path], Stores], tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    stores = stores_at(bodies)
    stores.put(PAGE, task="j")
    bodies.rename(tmp_path / "elsewhere")
    bodies.touch()

    with pytest.raises(StoreUnavailable):
        stores.put(PAGE, task="j")
    with pytest.raises(StoreUnavailable, match="cannot write a body"):
        stores.ready("body")
