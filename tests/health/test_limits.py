"""From when on something is wrong, made of what is set."""

import pytest

from health import Limits
from limpet.settings import Settings


@pytest.mark.parametrize(
    ("crontab", "seconds"),
    [
        ("", 300.0),
        ("*/10 * * * *", 1800.0),
        ("@hourly", 10_800.0),
        ("0 9 * * 1-5", 3 * 3 * 86_400.0),
    ],
)
def test_a_snapshot_may_be_as_old_as_its_crontab_makes_it(
    crontab: str, seconds: float
) -> None:
    limits = Limits.of(Settings(snapshot_crontab=crontab))

    assert limits.snapshot_age == seconds
    assert limits.upkeep["snapshot metrics"] == seconds


def test_a_task_may_miss_some_of_its_intervals_and_five_minutes() -> None:
    limits = Limits.of(
        Settings(
            SESSION_CLEANUP_INTERVAL_MINUTES=15,
            audit_interval_seconds=30,
            health_upkeep_missed_runs=4,
        )
    )

    assert limits.upkeep["clean up expired sessions"] == 4 * 15 * 60
    assert limits.upkeep["drain audit"] == 300


def test_what_is_switched_off_is_not_missed() -> None:
    limits = Limits.of(Settings(snapshot_enabled=False, probe_enabled=False))

    assert limits.snapshot_age is None
    assert {"snapshot metrics", "probe proxies"}.isdisjoint(limits.upkeep)
