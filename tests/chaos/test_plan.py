"""What a storm does follows from its seed, in any process and on any machine."""

from collections import Counter
from itertools import islice

from limpet.names import SCRAPE_MANY
from tests.chaos.storm.plan import LEASE, sendings, troubles

ROUND = 16


def test_a_seed_brings_the_same_troubles_again() -> None:
    found = [
        (one.kind, round(one.pick, 3), round(one.gap, 2))
        for one in islice(troubles(7), 4)
    ]

    assert found == [
        ("frozen worker", 0.824, 4.33),
        ("machine", 0.125, 1.64),
        ("worker", 0.547, 2.14),
        ("Flower", 0.015, 3.41),
    ]


def test_a_seed_brings_the_same_jobs_again() -> None:
    found = [(one.id, one.job.session, one.ms) for one in sendings(7, 3)]

    assert found == [
        ("job-0", "s28", (786,)),
        ("job-1", "s152", (306,)),
        ("job-2", "s171", (735,)),
    ]


def test_another_seed_brings_others() -> None:
    assert list(islice(troubles(7), ROUND)) != list(islice(troubles(8), ROUND))
    assert list(sendings(7, 20)) != list(sendings(8, 20))


def test_each_round_has_every_kind_of_trouble() -> None:
    found = [one.kind for one in islice(troubles(3), 2 * ROUND)]

    assert Counter(found[:ROUND]) == Counter(found[ROUND:])
    assert len(set(found)) == 9


def test_who_is_frozen_is_so_for_longer_than_its_leases_last() -> None:
    frozen = [one for one in islice(troubles(3), 200) if one.kind == "frozen worker"]

    assert frozen
    assert all(one.away > LEASE for one in frozen)


def test_some_jobs_have_many_pages_and_all_sessions_are_used() -> None:
    found = list(sendings(5, 2000))

    assert len({one.job.session for one in found}) == 200
    many = [one for one in found if one.job.task == SCRAPE_MANY]
    assert 40 < len(many) < 120
    assert all(len(one.ms) == one.job.pages >= 3 for one in many)
