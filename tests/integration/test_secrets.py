"""What is planted in jobs, proxies and settings is found nowhere that it is not for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from celery import Celery
from redis import Redis

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

#: Of the lab's proxies, and of a job; each of them is named in a word of its own.
PROXY = ("p@ss", "p%40ss", "user1:", "user2:")
JOB = {
    "headers": {"X-Api-Key": "Head3rS3cret", "Cookie": "sid=C00kieS3cret"},
    "params": {"token": "Par4mS3cret"},
    "webhook": "http://127.0.0.1:9/hook/H00kS3cret?key=H00kKeyS3cret",
}
FORM = {"password": "F0rmS3cret"}
SIGNS = "Sign1ngS3cretOfTheWebhook"
PLANTED = (
    *("Head3rS3cret", "C00kieS3cret", "Par4mS3cret", "H00kS3cret", "H00kKeyS3cret"),
    *("F0rmS3cret", "Qu3ryS3cret", SIGNS),
)


@contextmanager
def _listening(app: Celery, events: list[dict[str, object]]) -> Iterator[None]:
    """Collect all that workers tell Flower."""
    over = threading.Event()

    def listen() -> None:
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": events.append})
            while not over.is_set():
                with suppress(TimeoutError):
                    receiver.capture(limit=None, timeout=0.5, wakeup=False)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _held(app: Celery) -> object:
    inspect = app.control.inspect(timeout=0.5)
    told = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    return [job for one in told for jobs in (one or {}).values() for job in jobs]


def _dumped(redis_port: int, number: int) -> str:
    with Redis(port=redis_port, db=number) as client:
        dumps = [client.dump(key) or b"" for key in client.scan_iter()]
    return b"".join(dumps).decode("latin-1")


def _found(secrets: tuple[str, ...], text: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


def test_secrets_are_in_no_log_no_failure_no_event_and_on_no_page(
    stack: "Stack", redis_port: int, eventually: Callable[..., None]
) -> None:
    events: list[dict[str, object]] = []
    app = stack.app()

    def send(task: str, **job: Any) -> Any:
        return app.send_task(task, kwargs={**JOB, **job})

    with Lab(proxies=2) as lab, _listening(app, events):
        lines = "\n".join(proxy.line for proxy in lab.proxies)
        stack.manage("proxies", "import", "-", stdin=lines)
        stack.worker(
            LIMPET_LOG_LEVEL="DEBUG",
            LIMPET_JOB_MAX_TRIES="2",
            # Else the later ones would wait for a proxy.
            LIMPET_PROXY_MAX_FAILURES="100",
            LIMPET_WEBHOOK_SECRET=SIGNS,
            LIMPET_WEBHOOK_MAX_TRIES="1",
        )
        url = f"{lab.site}/shop/s/1?token=Qu3ryS3cret"
        order = f"{lab.site}/order/s?token=Qu3ryS3cret"
        page = str(send("scrape", url=url).get(timeout=60))
        many = str(send("scrape_many", urls=[url, order]).get(timeout=60))
        send("scrape", url=order, method="POST", form=FORM).get(timeout=60)
        # What runs is looked at for as long as the site keeps it waiting.
        slow = send("scrape", url=f"{order}&delay=15", method="PUT", form=FORM)
        eventually(lambda: slow.id in str(_held(app)), within=20)
        texts = [str(_held(app))]
        assert slow.get(timeout=30)["status"] == 200
        for proxy in lab.proxies:
            proxy.kill()
        failed = [
            send("scrape", url=url, session="s"),
            send("scrape", url=order, session="t", method="POST", form=FORM),
            send("scrape", url=url, sesion="Qu3ryS3cret"),
            send("scrape_many", urls=[url, url], session="u"),
        ]
        texts += [
            str(one.get(timeout=30, propagate=False)) + str(one.traceback)
            for one in failed[:3]
        ]
        # Its pages are named by the URLs that the job was sent with.
        texts += [page["error"] for page in failed[3].get(timeout=30)["pages"]]
        kinds = {"task-received", "task-succeeded", "task-failed"}
        eventually(lambda: kinds <= {str(event["type"]) for event in events})

    told = "".join([*texts, *map(str, events), stack.log("worker").read_text()])
    assert "given up after 2 tries" in texts[1]
    assert _found((*PROXY, *PLANTED, "Limpet shop"), told) == []
    mine = ("C00kieS3cret", "Head3rS3cret", "F0rmS3cret", SIGNS)
    assert _found((*PROXY, *mine), page + many) == []
    # What waits in the queue is what was sent, and its history.
    assert _found((*PROXY, SIGNS), _dumped(redis_port, 0)) == []
    assert _found((SIGNS,), _dumped(redis_port, 1)) == []
