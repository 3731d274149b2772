"""What people may see of a job is judged by what it is, not by what it is called."""

from types import SimpleNamespace
from typing import Any

import pytest

from limpet import inspection, showing
from limpet.errors import InvalidJob
from limpet.jobs import RenderJob, ScrapeJob

OPEN = SimpleNamespace(show_urls="path", show_bodies=False)
URL = "http://shop.example/p"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session", "shop:ada@7"),
        ("pool", "default"),
        ("proxy", "0a1b2c3d4e"),
        ("method", "POST"),
        ("country", "de"),
        ("strategy", "round_robin"),
        ("sticky", "hard"),
        ("timeout", 2.5),
        ("robots", True),
        ("method", None),
    ],
)
def test_an_argument_that_is_what_it_should_be_is_shown(name: str, value: Any) -> None:
    told = showing.arguments({name: value}, OPEN, ours=True)

    assert told == repr({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy", "http://u:hunter2@10.0.0.1:80"),
        ("session", "sid=hunter2; a=b"),
        ("session", 4711),
        ("pool", "Hunter2"),
        ("method", "hunter2"),
        ("country", "hunter2"),
        ("strategy", "hunter 2"),
        ("sticky", "hunter2"),
        ("timeout", "hunter2"),
        ("max_age", {"hunter": 2}),
    ],
)
def test_an_argument_that_is_anything_else_is_not_shown(name: str, value: Any) -> None:
    told = showing.arguments({name: value}, OPEN, ours=True)

    assert told == repr({name: "…"})


def test_what_others_call_a_session_is_not_shown() -> None:
    given = {"session": "hunter2", "timeout": 3}

    arguments = showing.arguments(given, OPEN, ours=False)
    result = showing.result(given, OPEN, ours=False)

    assert arguments == "{'session': '…', 'timeout': 3}"
    assert result == {"session": "…", "timeout": 3}


def test_names_of_a_result_are_shown_where_they_are_such() -> None:
    given = {"session": "one", "state": "dead", "proxy": "http://u:hunter2@h:1"}

    told = showing.result(given, OPEN, ours=True)

    assert told == {"session": "one", "state": "dead", "proxy": "…"}


@pytest.mark.parametrize("name", ["Bearer hunter2", "10.0.0.1:80:u:hunter2"])
def test_a_secret_that_is_given_for_a_name_is_not_shown(name: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        ScrapeJob.parse((), {"url": URL, name: 1})

    shown = showing.arguments({name: 1}, OPEN, ours=True)
    assert "hunter2" not in f"{refused.value} {shown}"


def test_a_name_that_is_none_is_not_shown() -> None:
    given = {"?token=hunter2": 1, "X-Key": 1, "x" * 61: 1}

    arguments = showing.arguments(given, OPEN, ours=True)
    result = showing.result({"http://u:hunter2@h/": 200}, OPEN, ours=True)

    assert arguments == "{'…': '…', 'X-Key': '…', '…': '…'}"
    assert result == {"…": 200}


def test_a_job_is_refused_without_repeating_a_name_that_is_none() -> None:
    with pytest.raises(InvalidJob, match=r"^…: there is no such field \(") as unknown:
        ScrapeJob.parse((), {"url": URL, "?token=hunter2": 1})
    with pytest.raises(InvalidJob, match=r"there is no field '…'") as hook:
        ScrapeJob.parse((), {"url": URL, "webhook": {"url": URL, "?k=hunter2": 1}})
    with pytest.raises(InvalidJob, match="steps") as step:
        RenderJob.parse((), {"url": URL, "steps": [{"do": "?k=hunter2"}]})

    assert "hunter2" not in f"{unknown.value} {hook.value} {step.value}"


def test_errors_of_others_with_our_names_are_not_ours() -> None:
    text = "ConfigurationError('bad dsn postgres://u:hunter2@h')"

    event = showing.event({"exception": text}, OPEN, ours=False)

    assert event == {"exception": "ConfigurationError(…)"}
    assert showing.event({"exception": text}, OPEN, ours=True) == {"exception": text}


@pytest.mark.parametrize(
    "url",
    [
        "http://u:12/hunter2@shop.example/",
        "http://u:12?hunter2@shop.example/",
        "http://u:12#hunter2@shop.example/",
        "http://u:hun@ter/2@shop.example/",
    ],
)
def test_nothing_of_a_url_that_may_be_half_a_password_is_shown(url: str) -> None:
    assert {showing.place(url, show) for show in ("host", "path", "query")} == {"…"}


def test_a_url_with_an_at_that_cannot_be_a_password_is_shown() -> None:
    url = "https://shop.example/@ada"

    assert showing.place(url, "path") == url


def test_of_a_traceback_only_frames_are_shown() -> None:
    frames = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        '  File "b.py", line 2, in <module>',
    ]
    text = "\n".join(
        [
            *frames[:2],
            "    log_in('hunter2')",
            "    ~~~~~~^^^^^^^^^^^",
            frames[2],
            "ValueError: hunter2",
            'Traceback hunter2:\n  File "hunter2", line 1, in x',
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            *frames,
            "KeyError: 'hunter2'",
        ]
    )

    told = showing.traceback(text)

    assert told == "\n".join([*frames, *frames])
    assert showing.traceback(told) == told


def test_to_show_a_configuration_again_changes_nothing() -> None:
    given = {
        "broker_url": "redis://:hunter2@h:1/0;redis://g:2/0",
        "broker_transport_options": {"password": "hunter2"},
        "beat_schedule": {"x": {"task": "t", "schedule": 5, "args": ["hunter2"]}},
        "include": ["a", "b"],
        "worker_concurrency": 3,
        "my_secret": "hunter2",
    }

    once = inspection.conf(given)

    assert "hunter2" not in repr(once)
    assert once["broker_url"] == ["redis://h:1/0", "redis://g:2/0"]
    assert inspection.conf(once) == once
