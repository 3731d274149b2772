"""Pages of a file from the command line, and how one goes on with them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def test_a_page_is_asked_for_in_every_way_that_a_job_can_be(
    served: "Stack", lab: Lab, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"title": "h1"}')

    data = served.manage(
        "scrape", f"{lab.site}/shop/cli/1", "--extract", str(rules), "--priority", "3"
    )
    unfit = served.manage(
        *("scrape", lab.site, "--form", "a=1", "--json-body", '{"token": "S3cret"}')
    )

    assert json.loads(data.stdout) == {"title": "Limpet shop, page 1"}
    assert "a request has one body" in unfit.stderr


def test_a_file_of_urls_becomes_a_file_of_pages(
    served: "Stack", lab: Lab, tmp_path: Path
) -> None:
    urls = [f"{lab.site}/shop/file/{n}" for n in range(30)]
    file, out = tmp_path / "urls.txt", tmp_path / "pages.jsonl"
    file.write_text("# a list\n\n" + "\n".join(urls))

    done = served.manage(
        "scrape", str(file), "--sessions", "3", "--out", str(out), "--json"
    )

    summary = json.loads(done.stdout)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert (summary["total"], summary["done"], summary["jobs"]) == (30, 30, 3)
    assert {line["index"]: line["url"] for line in lines} == dict(enumerate(urls))
    assert {line["batch"] for line in lines} == {summary["batch"]}
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_page_that_failed_makes_the_code_1_and_is_written_too(
    served: "Stack", lab: Lab
) -> None:
    urls = f"{lab.site}/bytes/1\nhttp://10.1.2.3/\n"

    done = served.manage("scrape", "-", stdin=urls)

    lines = sorted((json.loads(x) for x in done.stdout.splitlines()), key=_index)
    assert done.returncode == 1
    assert "1 done, 1 failed, 0 left" in done.stderr
    assert [line["index"] for line in lines] == [0, 1]
    assert "error" in lines[1]


def _index(line: dict[str, Any]) -> int:
    return int(line["index"])


def test_every_bad_line_is_named_before_anything_is_sent(
    served: "Stack", tmp_path: Path
) -> None:
    file = tmp_path / "urls.txt"
    file.write_text("http://x.example\nftp://S3cret\n# no\n\nx\nhttp://u:S3cret@h/\n")

    done = served.manage("scrape", str(file))

    assert done.returncode == 1
    for number in (2, 5, 6):
        assert f"{file}:{number}: must " in done.stderr
    assert "nothing was sent" in done.stderr
    assert "S3cret" not in done.stderr


@pytest.mark.parametrize("more", [(), ("--sessions", "3"), ("http://x.example",)])
def test_a_file_that_is_missing_is_said_to_be(
    shared_stack: "Stack", more: tuple[str, ...]
) -> None:
    done = shared_stack.manage("scrape", "no.txt", *more)
    typed = shared_stack.manage("scrape", "u:S3cret@x.example/?key=S3cret", *more)

    says = "limpet: {}: no such file; a URL begins with http:// or https://\n"
    assert (done.returncode, typed.returncode) == (1, 1)
    assert done.stderr == says.format("no.txt")
    assert typed.stderr == says.format("what was given")


def test_jobs_that_were_never_sent_are_not_said_to_go_on(
    shared_stack: "Stack", tmp_path: Path, free_port: Callable[[], int]
) -> None:
    file = tmp_path / "urls.txt"
    file.write_text("http://x.example\n")
    away = f"redis://127.0.0.1:{free_port()}/0"

    done = shared_stack.manage("scrape", str(file), CELERY_BROKER_URL=away)

    assert done.returncode == 1
    assert re.search(r"not all jobs of batch (\w+) were sent, or none", done.stderr)
    assert "go on" not in done.stderr
    assert "cannot reach" in done.stderr


def test_a_full_disk_loses_no_page(served: "Stack", lab: Lab, tmp_path: Path) -> None:
    file, out = tmp_path / "urls.txt", tmp_path / "pages.jsonl"
    file.write_text("".join(f"{lab.site}/shop/full/{n}\n" for n in range(3)))

    full = served.manage("scrape", str(file), "--out", "/dev/full")
    [batch] = re.findall(r"--resume (\S+) --out /dev/full", full.stderr)
    gone_on = served.manage("scrape", "--resume", batch, "--out", str(out))

    assert (full.returncode, gone_on.returncode) == (1, 0), gone_on.stderr
    assert full.stderr.splitlines()[-1] == (
        "limpet: --out: cannot be written (No space left on device)"
    )
    assert len(out.read_text().splitlines()) == 3


def test_an_interrupted_command_says_how_to_go_on_and_that_works(
    served: "Stack", lab: Lab, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    urls = [f"{lab.site}/shop/broken-off/{n}?delay=0.4" for n in range(20)]
    file, out = tmp_path / "urls.txt", tmp_path / "pages.jsonl"
    file.write_text("\n".join(urls))
    command = ["scrape", str(file), "--sessions", "2", "--out", str(out)]

    def visits() -> int:
        return sum(visit.visitor == "broken-off" for visit in lab.visits())

    with served.log("scrape").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            env=served.environment,
            cwd=ROOT,
            stderr=log,
        )
    eventually(lambda: visits() > 2, within=30)

    process.send_signal(signal.SIGINT)
    code = process.wait(20)
    told = served.log("scrape").read_text()
    [batch] = re.findall(r"--resume (\S+) --out", told)
    # As if it had been killed while it wrote.
    with out.open("a") as torn:
        torn.write('{"batch": "x", "ind')
    resumed = served.manage("scrape", "--resume", batch, "--out", str(out))
    again = served.manage(*command, "--resume", batch)

    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert code == 130
    assert f"the jobs of batch {batch} go on" in told
    assert (resumed.returncode, again.returncode) == (0, 0), resumed.stderr
    assert sorted(line["index"] for line in lines) == list(range(20))
    assert visits() == 20


def test_a_terminal_shows_a_bar(
    served: "Stack", lab: Lab, terminal_of: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "urls.txt"
    file.write_text("\n".join(f"{lab.site}/shop/bar/{n}?delay=0.3" for n in range(6)))

    seen = terminal_of(served)(
        "scrape", str(file), "--sessions", "2", "--out", str(tmp_path / "o")
    )

    assert seen.code == 0
    assert re.search(r"\d done  0 failed", seen.text)
    assert "6 done, 0 failed, 0 left" in seen.text


@pytest.mark.parametrize("text", ["Dear Sir\n", "Dear Sir"])
def test_a_file_of_something_else_is_left_alone(
    served: "Stack", lab: Lab, tmp_path: Path, text: str
) -> None:
    other, urls = tmp_path / "letters.txt", tmp_path / "urls.txt"
    other.write_text(text)
    urls.write_text(f"{lab.site}/bytes/1\n{lab.site}/bytes/2\n")

    done = served.manage("scrape", str(urls), "--out", str(other))

    assert done.returncode == 1
    assert "--out: line 1 is none of ours" in done.stderr
    assert other.read_text() == text


def test_a_batch_that_nobody_knows_is_said(served: "Stack", tmp_path: Path) -> None:
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    old.touch()

    for out in (new, old):
        done = served.manage("scrape", "--resume", "nobody", "--out", str(out))

        assert done.returncode == 1
        assert "there is no batch 'nobody'" in done.stderr
    # Nothing is left where nothing was.
    assert (new.exists(), old.exists()) == (False, True)
