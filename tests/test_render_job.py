"""What a job in a browser may ask for, and what it hears when it is something else."""

from typing import Any

import pytest

from limpet.errors import InvalidJob
from limpet.jobs import RenderJob

URL = "https://shop.example/p?token=S3cret"


def _refusal(**job: Any) -> str:
    with pytest.raises(InvalidJob) as error:
        RenderJob.parse((), {"url": URL, **job})
    return str(error.value)


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"steps": [{"do": "push"}]}, "steps.0: 'do' must be one of 'goto', "),
        ({"steps": [{"do": "click"}]}, "steps.0.click.selector: field required"),
        ({"steps": [{"do": "wait"}]}, "must have one of selector, text, url and load"),
        (
            {"steps": [{"do": "wait", "text": "a", "url": "b"}]},
            "must have one of selector, text, url and load",
        ),
        (
            {"steps": [{"do": "goto", "url": "file:///etc/passwd"}]},
            "steps.0.goto.url: must be an http:// or https:// URL",
        ),
        (
            {"steps": [{"do": "screenshot", "full": True, "selector": "a"}]},
            "full and selector cannot be together",
        ),
        (
            {"steps": [{"do": "click", "selector": "a", "timout": 1}]},
            "click.timout: there is no such field; did you mean 'timeout'? (allowed: t",
        ),
        (
            {"viewport": {"with": 800}},
            "viewport.with: there is no such field; did you mean 'width'? (allowed: ",
        ),
        (
            {"steps": [{"do": "wait", "url": "**/{a,b"}]},
            "steps.0.wait.url: must have its { and } in pairs",
        ),
        (
            {"steps": [{"do": "wait", "url": "{{a}}"}]},
            "steps.0.wait.url: must have its { and } in pairs",
        ),
        ({"steps": [{"do": "pdf"}] * 101}, "steps: list should have at most 100"),
        ({"viewport": {"width": 1}}, "viewport.width: "),
        ({"locale": "german"}, "locale: must be a language tag, such as de-DE"),
        ({"timezone": "../x"}, "timezone: must be a name of the IANA database"),
        ({"user_agent": "a\nb"}, "user_agent: must be 1 to 256 characters of ASCII"),
        ({"block": ["pictures"]}, "block.0: "),
        ({"method": "POST"}, "method: there is no such field"),
        ({"timeout": 301}, "timeout: "),
        ({"extract": {"a": {"css": "["}}}, "extract.a.css: is no CSS selector"),
        (
            {"steps": [{"do": "extract", "rules": {"a": {"css": "["}}}]},
            "steps.0.extract.rules.a.css: is no CSS selector",
        ),
    ],
)
def test_a_wrong_field_is_named(job: dict[str, Any], says: str) -> None:
    text = _refusal(**job)

    assert says in text
    assert "S3cret" not in text


def test_what_is_sent_is_what_was_given() -> None:
    given = {
        "url": URL,
        "steps": [
            {"do": "fill", "selector": "#a", "value": "b"},
            {"do": "wait", "load": "networkidle", "timeout": 1.5},
        ],
        "once": True,
        "viewport": {"width": 800},
    }

    assert RenderJob.parse((), given).sent == given


def test_what_is_typed_is_in_no_repr() -> None:
    job = RenderJob.parse(
        (),
        {
            "url": "https://shop.example",
            "headers": {"X-Key": "S3cret"},
            "steps": [
                {"do": "fill", "selector": "#a", "value": "S3cret"},
                {"do": "evaluate", "script": "'S3cret'"},
                {"do": "select", "selector": "#a", "values": ["S3cret"]},
            ],
        },
    )

    assert "S3cret" not in repr(job)


def test_a_job_that_is_to_be_done_once_says_why_it_is_not_done_again() -> None:
    once = RenderJob.parse((), {"url": URL, "once": True})

    assert "once" in once.why_once
    assert not RenderJob.parse((), {"url": URL}).why_once
