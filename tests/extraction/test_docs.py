"""The example of the page about rules, as it stands."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from extraction import Crew
from limpet.jobs import Rule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extraction.md").read_text("utf-8")


def test_the_example_gives_what_it_says(
    crew: Crew, parse: Callable[[object], dict[str, Rule]]
) -> None:
    [html] = re.findall(r"```html\n(.*?)```", PAGE, re.DOTALL)
    rules, result = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    [url] = re.findall(r"the page `(\S+)` gives", PAGE)

    found = crew.extract(
        parse(json.loads(rules)), html, url=url, content_type="text/html"
    )

    assert found == json.loads(result)


def test_every_option_is_described() -> None:
    for name in Rule.model_fields:
        assert f"`{name}`" in PAGE, name
