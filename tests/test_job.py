"""What a job may ask for, and what it hears when it asks for something else."""

from typing import Any

import pytest

from limpet.errors import InvalidJob
from limpet.jobs import ScrapeJob

URL = "https://shop.example/p?token=S3cret"


@pytest.mark.parametrize(
    "job",
    [
        {"url": URL},
        {"url": "http://[2001:db8::1]:8080/"},
        {"url": "https://bücher.example/ä b"},
        {"url": URL, "session": "user-42", "pool": "eu", "timeout": 5},
        {"url": URL, "session": None, "timeout": 0.5, "max_bytes": 10},
    ],
)
def test_a_sound_job_is_accepted(job: dict[str, Any]) -> None:
    assert ScrapeJob.parse((), job).url == job["url"]


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({}, "url: field required"),
        ({"url": 5}, "url: .*string"),
        ({"url": "ftp://x/S3cret"}, "url: must be an http:// or https:// URL"),
        ({"url": "shop.example/S3cret"}, "url: must be an http://"),
        ({"url": "http://"}, "url: must be"),
        ({"url": "http://h:S3cret/"}, "url: must be"),
        ({"url": "http://S3cret.example:0/"}, "url: must be an http://"),
        ({"url": " http://S3cret.example:00"}, "url: must be an http://"),
        ({"url": "http://S3cret..example/"}, "url: must be an http://"),
        ({"url": "http://S3cret" + "x" * 64 + ".example/"}, "url: must be"),
        ({"url": "http://S3cret" + ".x" * 130}, "url: must be"),
        ({"url": "http://S3cret%2fb.example/"}, "url: must be an http://"),
        ({"url": "http://S3cret%00b.example/"}, "url: must be an http://"),
        ({"url": "http://me:S3cret@h/"}, "url: must not carry a user name or password"),
        ({"url": "http://h/" + "x" * 9000}, "url: .*8192"),
        (
            {"url": URL, "sesion": "S3cret"},
            "sesion: .*did you mean 'session'.*allowed:",
        ),
        ({"url": URL, "session": "S3cret with spaces"}, "session: must be 1 to 128 of"),
        ({"url": URL, "session": ""}, "session: must be 1 to 128 of"),
        ({"url": URL, "session": "~internal"}, "session: must be 1 to 128 of"),
        ({"url": URL, "session": "a\n"}, "session: must be 1 to 128 of"),
        ({"url": URL, "session": "a" * 129}, "session: must be 1 to 128 of"),
        ({"url": URL, "pool": "{x}"}, "pool: must be 1 to 32 of"),
        ({"url": URL, "self": 1}, "self: there is no such field"),
        ({"url": URL, "timeout": "5"}, "timeout: .*number"),
        ({"url": URL, "timeout": -1}, "timeout: .*greater than 0"),
        ({"url": URL, "timeout": float("nan")}, "timeout: .*finite"),
        ({"url": URL, "timeout": True}, "timeout: .*number"),
        ({"url": URL, "max_bytes": 10**9}, "max_bytes: .*less than or equal"),
        ({"url": URL, "max_bytes": 1.5}, "max_bytes: .*integer"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(
    job: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidJob, match=says) as caught:
        ScrapeJob.parse((), job)

    assert "S3cret" not in str(caught.value)


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(InvalidJob, match=r"timeout: .*; url: .*"):
        ScrapeJob.parse((), {"url": 1, "timeout": "x"})


def test_arguments_without_names_are_refused() -> None:
    with pytest.raises(InvalidJob, match="by name"):
        ScrapeJob.parse((URL,), {})


def test_the_text_is_all_that_crosses_to_other_programs() -> None:
    with pytest.raises(InvalidJob) as caught:
        ScrapeJob.parse((), {"url": URL, "x": 1})

    assert caught.value.args == (str(caught.value),)


def test_no_job_may_take_longer_than_its_message_is_held() -> None:
    with pytest.raises(InvalidJob, match=r"^timeout: must be below 20, which is LIMP"):
        ScrapeJob.parse((), {"url": URL, "timeout": 20}, timeout_below=20)


@pytest.mark.parametrize("field", ["form", "params"])
@pytest.mark.parametrize("value", ["S3cret\ud800", ["fine", "S3cret\ud800"]])
def test_half_of_a_character_is_named_by_its_field(field: str, value: object) -> None:
    job = {"url": "http://shop.test/", "method": "POST", field: {"a": value}}

    with pytest.raises(InvalidJob, match=rf"^{field}\.a: must be text that UTF-8 has"):
        ScrapeJob.parse((), job)


@pytest.mark.parametrize("body", ["S3cret\ud800", [{"S3cret\udfff": 1}]])
def test_json_with_half_of_a_character_is_refused(body: object) -> None:
    job = {"url": "http://shop.test/", "method": "POST", "json": body}

    with pytest.raises(
        InvalidJob, match=r"^json: must have no NaN, .* surrogate pair$"
    ):
        ScrapeJob.parse((), job)
