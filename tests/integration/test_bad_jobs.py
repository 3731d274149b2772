"""What cannot be done fails with a line that says why, and tells no secret."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

Publish = Callable[..., None]


def test_a_password_that_is_not_latin_is_neither_refused_nor_told(
    stack: "Stack", lab: Lab, publish: Publish
) -> None:
    publish(f"127.0.0.1:{lab.proxies[0].port}:user1:S3cret-ключ")
    stack.worker(LIMPET_LOG_LEVEL="DEBUG", LIMPET_JOB_MAX_TRIES="1")

    result = stack.app().send_task("scrape", kwargs={"url": lab.site})
    text = str(result.get(timeout=20, propagate=False))

    assert "auth (blame: proxy): the proxy answered 407" in text
    told = stack.log("worker").read_text() + text + str(result.traceback)
    assert "S3cret" not in told


def test_an_argument_that_python_knows_is_a_field_that_we_do_not(
    stack: "Stack", lab: Lab
) -> None:
    stack.worker()
    kwargs = {"url": lab.site, "self": 1, "args": 2}

    result = stack.app().send_task("scrape", kwargs=kwargs)
    text = str(result.get(timeout=20, propagate=False))

    assert text.startswith("self: there is no such field")
    assert "args: there is no such field" in text


@pytest.mark.parametrize(
    ("page", "fails"),
    # A connection that breaks may be the proxy's doing; what is no HTTP is not.
    [("bad-status", b"0"), ("bad-length", b"0.5"), ("bad-chunk", b"0.5")],
)
def test_one_job_to_a_broken_site_costs_a_healthy_proxy_nothing_much(
    stack: "Stack", lab: Lab, publish: Publish, redis: Redis, page: str, fails: bytes
) -> None:
    publish(lab.proxies[1].line)
    stack.worker(LIMPET_JOB_MAX_TRIES="4")
    kwargs = {"url": f"{lab.rude}/{page}", "session": "s"}

    result = stack.app().send_task("scrape", kwargs=kwargs)
    text = str(result.get(timeout=20, propagate=False))

    assert text.startswith("given up after 4 tries")
    [proxy] = redis.keys("{default}:d:*")
    assert redis.hget(proxy, "fails") == fails


def test_a_message_that_is_no_job_fails_and_is_not_told(
    stack: "Stack", lab: Lab
) -> None:
    stack.worker(LIMPET_LOG_LEVEL="DEBUG")
    kwargs = {"url": f"{lab.site}/?token=Qu3ryS3cret"}
    app = stack.app()
    app.conf.accept_content = ["json", "pickle"]
    sent = [
        app.send_task("scrap", kwargs=kwargs),
        app.send_task("scrape", kwargs=kwargs, serializer="pickle"),
    ]
    with app.producer_pool.acquire() as producer:
        head = {"id": "no-json", "task": "scrape", "lang": "py"}
        for body, headers in (("Qu3ryS3cret{", head), ("Qu3ryS3cret{", {})):
            producer.publish(
                body,
                routing_key="celery",
                headers=headers,
                content_type="application/json",
                content_encoding="utf-8",
            )

    texts = [str(one.get(timeout=10, propagate=False)) for one in sent]
    texts.append(str(app.AsyncResult("no-json").get(timeout=10, propagate=False)))

    assert texts[0].startswith("scrap: there is no such task (allowed: ")
    for name in ("scrape", "scrape_many", "store_dead_letters", "webhook"):
        assert f" {name}" in texts[0]
    assert texts[1] == "scrape: the message must be JSON, as Celery writes it"
    assert texts[2] == texts[1]
    log = stack.log("worker").read_text()
    assert "task=scrap" in log
    assert "Qu3ryS3cret" not in log + "".join(texts)
    good = app.send_task("scrape", kwargs={"url": "x"})
    assert str(good.get(timeout=10, propagate=False)).startswith("url: must be")
