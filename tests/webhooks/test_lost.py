"""A job of which workers die: who waits for it hears of its end."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from limpet.errors import JobFailed

if TYPE_CHECKING:
    from lab import Lab
    from tests.stack import Stack
    from tests.webhooks.conftest import Receiver

Eventually = Callable[..., None]

SECRET = {"LIMPET_WEBHOOK_SECRET": "Sign1ngS3cretOfTheTest"}


@pytest.fixture
def ready(stack: "Stack", lab: "Lab") -> "Stack":
    """Give a stack with tables and proxies."""
    assert stack.manage("migrate").returncode == 0
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    assert stack.manage("proxies", "import", "-", stdin=lines).returncode == 0
    stack.environment["LIMPET_WEBHOOK_SECRET"] = "Sign1ngS3cretOfTheTest"
    stack.environment["LIMPET_JOB_MAX_LOSSES"] = "1"
    return stack


def test_a_job_that_its_workers_died_of_is_told_of(
    ready: "Stack", receiver: "Receiver", lab: "Lab", eventually: Eventually
) -> None:
    soon = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "2"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        host, port = silent.getsockname()
        job = {"webhook": receiver.url, "idempotency_key": "lost"}
        asked = {**job, "url": f"http://{host}:{port}/", "timeout": 60}
        sent = ready.app().send_task("scrape", kwargs=asked)
        for number in (1, 2):
            worker = ready.worker(f"w{number}", **soon)
            held, _ = silent.accept()
            worker.kill()
            worker.wait()
            held.close()
    ready.worker("heir", **soon)
    eventually(lambda: "lost" in ready.manage("dead", "ls").stdout, within=60)

    with pytest.raises(JobFailed, match="2 workers died of it"):
        sent.get(timeout=10)
    eventually(lambda: len(receiver.sent) == 1)
    assert json.loads(receiver.sent[0].body)["event"] == "failed"
    # The next one with its key is to run.
    page = {**job, "url": f"{lab.site}/shop/lost/1"}
    done = ready.app().send_task("scrape", kwargs=page).get(timeout=30)
    assert done["status"] == 200


def test_a_job_whose_processes_died_is_told_of(
    ready: "Stack", receiver: "Receiver", eventually: Eventually
) -> None:
    worker = ready.worker("worker", "-P", "processes", "-c", "1")
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        host, port = silent.getsockname()
        asked = {"url": f"http://{host}:{port}/", "webhook": receiver.url}
        sent = ready.app().send_task("scrape", kwargs={**asked, "timeout": 60})
        for _ in range(2):
            held, _address = silent.accept()
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
            held.close()

    with pytest.raises(Exception, match="exited prematurely"):
        sent.get(timeout=30)
    eventually(lambda: len(receiver.sent) == 1)
    assert json.loads(receiver.sent[0].body)["event"] == "failed"
