"""Rules as a job has them, and extractors that are ended afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from extraction import Crew, extract
from extraction.document import Document, kind_of
from limpet.jobs import Job, Rule, Rules


class JobWithRules(Job):
    extract: Rules


def rules(given: object) -> dict[str, Rule]:
    return JobWithRules.parse((), {"extract": given}).extract


@pytest.fixture(scope="session")
def parse() -> Callable[[object], dict[str, Rule]]:
    """Read rules as the job's edge does."""
    return rules


@pytest.fixture(scope="session")
def find() -> Callable[..., Any]:
    """Use rules on a page here, in this process."""

    def run(given: object, text: str, content_type: str = "text/html") -> Any:
        page = Document(text, "http://shop.test/list/", kind_of(content_type, text))
        return extract(rules(given), page)

    return run


@pytest.fixture
def crew() -> Iterator[Crew]:
    with Crew(size=2, seconds=3) as made:
        yield made
