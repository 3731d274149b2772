"""Who was stopped for too long asks the site for nothing: the session is another's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from pydantic import SecretStr

from lab import Lab
from limpet.errors import LeaseLost
from limpet.jobs import ScrapeJob
from limpet.settings import Settings
from sessions import Lease
from tasks import runtime, visits
from tasks.fetching import Request
from tasks.retry import History
from tasks.visits import Visits, asked_by

Visiting = Callable[..., tuple[Visits, Lease, Request]]


@pytest.fixture
def config(
    redis_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Settings that jobs in this process find."""
    made = Settings(
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"),
        state_dir=tmp_path,
        allow_private_hosts="127.0.0.0/8",
    )
    parts = (runtime.manager, runtime.fetcher, runtime.guard, runtime.limits)
    for module in (runtime, visits):
        monkeypatch.setattr(module, "settings", lambda: made)
    for part in parts:
        part.cache_clear()
    yield
    for part in parts:
        part.cache_clear()


@pytest.fixture
def visit(config: None, publish: Callable[..., None], lab: Lab) -> Visiting:
    """Lease a session for a page, in this process."""
    publish(lab.proxies[0].line)

    def begin(**job: object) -> tuple[Visits, Lease, Request]:
        url = f"{lab.site}/shop/late/1"
        asked = ScrapeJob.model_validate({"url": url, "session": "late", **job})
        mine = Visits(asked, History.of(None), asked_by(asked))
        page = mine.request(url)
        return mine, mine.lease(page, hold=mine.hold), page

    return begin


@pytest.mark.parametrize("robots", [False, True])
def test_a_lease_that_may_end_before_the_answer_is_not_used(
    visit: Visiting,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    robots: bool,  # noqa: FBT001 - what is tried
) -> None:
    mine, lease, request = visit(timeout=10, robots=robots)
    # As after a stop of the whole process: the clock has gone on.
    stopped = 16 + 10 * robots
    monkeypatch.setattr("tasks.visits.time.monotonic", lambda: monotonic() + stopped)

    with pytest.raises(LeaseLost):
        mine.fetch(lease, request)

    assert lab.visits() == []


def test_a_lease_that_was_waited_for_a_while_is_used(
    visit: Visiting, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, lease, request = visit(timeout=10)
    monkeypatch.setattr("tasks.visits.time.monotonic", lambda: monotonic() + 10)

    page = mine.fetch(lease, request)

    assert page.status == 200
    assert len(lab.visits()) == 1
