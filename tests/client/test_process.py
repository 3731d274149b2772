"""The client in a program of its own: how it starts, and what it leaves alone."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab import Lab
from limpet.client import Limpet

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
#: What an app that enqueues has no need of.
HEAVY = ("alembic", "lxml", "parsel", "sqlalchemy", "sqlmodel", "tasks", "sessions")


def _run(code: str, *arguments: str, **environment: str) -> Any:
    """Run a program that prints JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_imported_without_what_is_slow() -> None:
    code = """
        import json, sys, time
        start = time.perf_counter()
        import limpet.client
        print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))
    """

    # The best of some: the machine may be busy.
    seconds, modules = min(_run(code) for _ in range(3))

    assert seconds < 2
    for name in (*HEAVY, "celery", "kombu", "pydantic", "requests", "redis"):
        assert name not in modules


def test_it_sends_without_sql_and_parsers(running: "Stack", lab: Lab) -> None:
    code = """
        import json, sys
        from limpet.client import Limpet
        job = Limpet(sys.argv[1]).scrape(sys.argv[2], session="light")
        print(json.dumps([job.get(timeout=30).status, sorted(sys.modules)]))
    """

    status, modules = _run(code, running.broker_url, f"{lab.site}/whoami")

    assert status == 200
    assert [name for name in HEAVY if name in modules] == []


def test_the_urls_it_was_given_win_over_the_environment(
    running: "Stack", lab: Lab
) -> None:
    code = """
        import json, sys
        from limpet.client import Limpet
        limpet = Limpet(sys.argv[1])
        job = limpet.scrape(sys.argv[2])
        status = job.get(timeout=30).status
        job.cancel()
        print(json.dumps(status))
    """
    nowhere = "redis://127.0.0.1:1/0"

    found = _run(
        code,
        running.broker_url,
        f"{lab.site}/whoami",
        CELERY_BROKER_URL=nowhere,
        CELERY_RESULT_BACKEND=nowhere,
    )

    assert found == 200


def test_it_leaves_the_program_s_own_celery_alone(running: "Stack") -> None:
    code = """
        import json, sys
        from celery import Celery, current_app
        from limpet.client import Limpet
        own = Celery("own")
        Limpet(sys.argv[1]).job("x").state
        print(json.dumps(current_app.main))
    """

    assert _run(code, running.broker_url) == "own"


def test_a_child_process_has_connections_of_its_own(running: "Stack", lab: Lab) -> None:
    code = """
        import json, os, sys
        from limpet.client import Limpet
        limpet, url = Limpet(sys.argv[1]), sys.argv[2]
        jobs = [limpet.scrape(url).get(timeout=30).job]
        reader, writer = os.pipe()
        if os.fork() == 0:
            some = [limpet.scrape(url).get(timeout=30).job for _ in range(20)]
            os.write(writer, json.dumps(some).encode())
            os._exit(0)
        jobs += [limpet.scrape(url).get(timeout=30).job for _ in range(20)]
        os.wait()
        print(json.dumps(jobs + json.loads(os.read(reader, 65536))))
    """

    jobs = _run(code, running.broker_url, f"{lab.site}/bytes/1")

    assert len(set(jobs)) == 41


@pytest.mark.parametrize("broker", ["redis", "sentinel"])
def test_nothing_is_dialled_before_it_is_needed(broker: str) -> None:
    with Limpet(f"{broker}://127.0.0.1:1/0") as limpet:
        assert "127.0.0.1" not in repr(limpet)
        assert limpet.job("x").id == "x"
