"""A page in a browser from the command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack


def test_a_page_is_rendered_printed_and_kept_in_files(
    served: "Stack", lab: Lab, tmp_path: Path
) -> None:
    steps = tmp_path / "steps.json"
    steps.write_text(json.dumps([{"do": "click", "selector": "text=Page 3"}]))
    files = {kind: tmp_path / f"page.{kind}" for kind in ("png", "pdf", "html")}

    done = served.manage(
        *("render", f"{lab.site}/shop/cli/1", "--session", "cli"),
        *("--steps", str(steps), "--wait-for", "#seen", "--extract", '{"n": "#seen"}'),
        *("--screenshot", str(files["png"]), "--pdf", str(files["pdf"])),
        *("--html", str(files["html"])),
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"n": "2"}
    assert f"{lab.site}/shop/cli/3" in done.stderr.replace("\n", "")
    begins = [file.read_bytes()[:5] for file in files.values()]
    assert begins == [b"\x89PNG\r", b"%PDF-", b"<html"]


def test_a_step_that_fails_is_one_line_and_code_1(served: "Stack", lab: Lab) -> None:
    step = '[{"do": "click", "selector": "#nobody", "timeout": 0.3}]'

    done = served.manage("render", f"{lab.site}/whoami", "--steps", step)

    assert done.returncode == 1
    assert "step 1 (click '#nobody'): nothing like it in the page" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_step_is_refused_before_anything_is_sent(served: "Stack") -> None:
    wrong = served.manage("render", "http://x.example", "--steps", '[{"do": "push"}]')
    no_list = served.manage("render", "http://x.example", "--steps", '{"do": "click"}')
    nothing = served.manage("render")

    assert (wrong.returncode, no_list.returncode, nothing.returncode) == (1, 2, 2)
    assert "steps.0" in wrong.stderr
    assert "must be a list" in no_list.stderr
    assert "give a URL" in nothing.stderr


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(
    served: "Stack", tmp_path: Path
) -> None:
    nowhere = tmp_path / "none" / "page.pdf"

    folder = served.manage("render", "http://x.example", "--html", str(tmp_path))
    no_folder = served.manage("render", "http://x.example", "--pdf", str(nowhere))

    assert (folder.returncode, no_folder.returncode) == (2, 2)
    assert "--html: " in folder.stderr
    assert "--pdf: " in no_folder.stderr
