"""Workers in containers that are stopped and restarted under load."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.docker.cluster.crowd import Crowd, states

Eventually = Callable[..., None]


@pytest.mark.parametrize(
    ("signal", "pool"), [("SIGTERM", "threads"), ("SIGQUIT", "processes")]
)
class TestStopping:
    @pytest.fixture
    def worker_settings(self, pool: str) -> dict[str, str]:
        return {"CELERY_WORKER_POOL": pool}

    @pytest.mark.usefixtures("pool")
    def test_who_is_stopped_under_load_finishes_what_runs_and_gives_back_the_rest(
        self, crowd: Crowd, eventually: Eventually, signal: str
    ) -> None:
        jobs = [crowd.send(f"{signal}-{n}", delay=1.5) for n in range(24)]
        leaver = crowd.workers[0]
        eventually(lambda: crowd.leases() == 8, within=150)

        leaver.container._container.kill(signal=signal)
        gone = leaver.container._container.wait(timeout=40)

        eventually(lambda: states(jobs) == {"SUCCESS": 24}, within=150)
        assert gone["StatusCode"] == 0
        assert set(crowd.visits().values()) == {1}


class TestRolling:
    @pytest.fixture
    def workers(self) -> int:
        return 3

    def test_workers_that_are_restarted_one_after_the_other_fail_no_job(
        self, crowd: Crowd, eventually: Eventually
    ) -> None:
        before = crowd.started()
        jobs: list[Any] = []

        for worker in crowd.workers:
            jobs += [crowd.send(f"roll-{len(jobs) + n}", delay=0.5) for n in range(60)]
            worker.container._container.restart(timeout=45)
            eventually(lambda: len(crowd.answering()) == 3, within=150)

        eventually(lambda: states(jobs) == {"SUCCESS": 180}, within=150)
        assert not set(crowd.started()) & set(before)
        assert set(crowd.visits().values()) == {1}
        assert len(crowd.visits()) == 180
