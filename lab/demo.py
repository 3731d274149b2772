"""``make demo``: the main job, live, as an outside app sees it.

Nothing of Limpet is imported here. Jobs are enqueued by name with a plain Celery app,
and what is shown comes from their results and from the site's own log.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from celery.exceptions import CeleryError
from celery.result import AsyncResult
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.lab import Lab, Visit
from lab.services import Services, ServicesError

SESSIONS: Final = 10
PAGES: Final = 16
#: Seconds that the site takes for a page; real ones are no faster.
_PAGE_SECONDS: Final = 0.15
_JOBS_PER_SECOND: Final = 20
_TIME_LIMIT: Final = 120


@dataclass(slots=True)
class Row:
    """What is known of one session."""

    addresses: list[str] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    retries: int = 0
    rebinds: int = 0


class Demo:
    """Sends the jobs, kills a proxy half-way, and keeps the score."""

    def __init__(self, services: Services, lab: Lab) -> None:
        self._app = services.app()
        self._lab = lab
        self._waiting: list[tuple[str, AsyncResult[Any]]] = []
        self._seen = 0
        self._started = time.monotonic()
        self.sent = 0
        self.killed = ""
        self.victims: set[str] = set()
        self.rows: dict[str, Row] = defaultdict(Row)

    @property
    def total(self) -> int:
        return SESSIONS * PAGES

    @property
    def done(self) -> int:
        return sum(row.done for row in self.rows.values())

    @property
    def failed(self) -> int:
        return sum(row.failed for row in self.rows.values())

    def step(self) -> bool:
        """Go on a little; return whether there is more to do."""
        self._send()
        self._collect()
        self._watch(self._lab.visits(self._seen))
        if not self.killed and self.done >= self.total // 2:
            self._kill()
        if time.monotonic() - self._started > _TIME_LIMIT:
            raise ServicesError(f"not done within {_TIME_LIMIT} s")
        return self.done + self.failed < self.total

    def _send(self) -> None:
        due = int((time.monotonic() - self._started) * _JOBS_PER_SECOND) + 1
        while self.sent < min(due, self.total):
            page, visitor = divmod(self.sent, SESSIONS)
            session = f"user-{visitor + 1}"
            url = f"{self._lab.site}/shop/{session}/{page + 1}?delay={_PAGE_SECONDS}"
            job = {"url": url, "session": session}
            self._waiting.append((session, self._app.send_task("scrape", kwargs=job)))
            self.sent += 1

    def _collect(self) -> None:
        left = []
        for session, result in self._waiting:
            if not result.ready():
                left.append((session, result))
                continue
            row = self.rows[session]
            if result.failed():
                row.failed += 1
                continue
            page = result.get()
            row.done += 1
            row.retries += page["tries"] - 1
            row.rebinds = max(row.rebinds, page["generation"] - 1)
        self._waiting = left

    def _watch(self, visits: list[Visit]) -> None:
        self._seen += len(visits)
        for visit in visits:
            addresses = self.rows[visit.visitor].addresses
            if not addresses or addresses[-1] != visit.address:
                addresses.append(visit.address)

    def _kill(self) -> None:
        used = [row.addresses[-1] for row in self.rows.values() if row.addresses]
        proxy = max(self._lab.proxies, key=lambda one: used.count(one.exit_address))
        proxy.kill()
        self.killed = proxy.exit_address
        self.victims = {
            session
            for session, row in self.rows.items()
            if row.addresses and row.addresses[-1] == self.killed
        }

    def faults(self) -> list[str]:
        """Return what did not go as promised; nothing, if all is well."""
        found = []
        if self.failed:
            found.append(f"{self.failed} jobs failed")
        if not self.victims:
            found.append("the killed proxy had no session")
        for session, row in self.rows.items():
            moves = 1 if session in self.victims else 0
            if len(row.addresses) != moves + 1 or row.rebinds != moves:
                seen = " → ".join(row.addresses)
                found.append(f"{session} was seen from {seen} ({row.rebinds} rebinds)")
        return found

    def picture(self) -> Group:
        """Draw the score."""
        table = Table(title="What the site saw", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("session")
        table.add_column("exit address", min_width=24)
        for name in ("pages done", "rebinds", "retries", "failed"):
            table.add_column(name, justify="right")
        for session in sorted(self.rows, key=lambda name: int(name.split("-")[1])):
            table.add_row(*self._cells(session, self.rows[session]))
        word = f"{self.done} of {self.total} jobs done, {self.failed} failed"
        lines: list[Table | Text] = [table, Text(word, style="bold")]
        if self.killed:
            lines.append(
                Text(f"the proxy behind {self.killed} was killed", style="red")
            )
        return Group(*lines)

    def _cells(self, session: str, row: Row) -> list[Text]:
        path = Text(" → ").join(
            Text(address, style="red strike" if address == self.killed else "green")
            for address in row.addresses
        )
        done = Text(f"{row.done}/{PAGES}", style="green" if row.done == PAGES else "")
        rest = (str(row.rebinds), str(row.retries), str(row.failed))
        return [Text(session), path, done, *map(Text, rest)]


def run(console: Console, folder: Path, svg: str | None) -> int:
    """Run the demo; return the exit code."""
    with console.status("starting the site and five proxies") as status, Lab() as lab:
        status.update("starting Redis, workers, beat and Flower")
        with Services(folder) as services:
            status.update("importing the proxies")
            lines = "\n".join(proxy.line for proxy in lab.proxies)
            console.print(services.manage("proxies", "import", "-", stdin=lines))
            status.stop()
            demo = Demo(services, lab)
            _play(console, demo)
            code = _sum_up(console, demo)
            _show_page(console, services, lab, folder)
            if svg:
                _save(demo, svg)
            if os.environ.get("KEEP", "0") not in {"", "0"}:
                _stay(console, services, lab)
            status.update("stopping everything")
            status.start()
    return code


def _play(console: Console, demo: Demo) -> None:
    if not console.is_terminal:
        console.print(f"sending {demo.total} jobs of {SESSIONS} sessions")
        while demo.step():
            time.sleep(0.1)
        console.print(demo.picture())
        return
    with Live(demo.picture(), console=console, refresh_per_second=8) as live:
        while demo.step():
            live.update(demo.picture())
            time.sleep(0.1)
        live.update(demo.picture())


def _sum_up(console: Console, demo: Demo) -> int:
    if faults := demo.faults():
        for fault in faults:
            console.print(f"[red]not as promised:[/] {fault}")
        return 1
    stayed = len(demo.rows) - len(demo.victims)
    console.print(
        f"{stayed} sessions kept one exit address from their first page to their last; "
        f"{len(demo.victims)} were bound to the killed proxy and moved once. "
        f"No job was lost.",
        highlight=False,
    )
    return 0


def _show_page(console: Console, services: Services, lab: Lab, folder: Path) -> None:
    """Have the first visitor look at one more page, in a browser if there is one."""
    url = f"{lab.site}/shop/user-1/{PAGES + 1}"
    steps = [{"do": "screenshot", "full": True}]
    job = {
        "url": url,
        "session": "user-1",
        "steps": steps,
        "extract": {"seen": "#seen"},
    }
    sent = services.app().send_task("render", kwargs=job, queue="render")
    page = sent.get(timeout=_TIME_LIMIT, propagate=False)
    if isinstance(page, Exception):
        console.print(f"No page was rendered: {page}", style="yellow", soft_wrap=True)
        return
    [file] = page["files"]
    sha = file["sha256"]
    picture = Path(tempfile.gettempdir()) / "limpet-demo.png"
    shutil.copyfile(folder / "artifacts" / sha[:2] / sha[2:4] / sha, picture)
    console.print(
        f"user-1 went on in a browser, as the same visitor: its page no. "
        f"{page['data']['seen']} from where it was before. Screenshot: {picture}",
        highlight=False,
        soft_wrap=True,
    )


def _save(demo: Demo, svg: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        recorder = Console(record=True, width=84, file=nowhere, force_terminal=True)
        recorder.print("$ make demo", style="dim")
        recorder.print(demo.picture())
        _sum_up(recorder, demo)
        picture = recorder.export_svg(title="make demo")
    # Without the template's web font: a picture in a README fetches nothing.
    plain = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(svg).write_text(plain, "utf-8")


def _stay(console: Console, services: Services, lab: Lab) -> None:
    console.print(f"[bold]Flower[/]  http://127.0.0.1:{services.flower_port}")
    console.print(f"[bold]Broker[/]  {services.broker}")
    console.print(f"[bold]  Site[/]  {lab.site}/shop/you/1")
    console.print("Everything stays up until Ctrl-C.")
    signal.pause()


def main() -> int:
    """Read the command line, run, and leave no process behind."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--svg", metavar="FILE", help="save the last picture")
    svg = parser.parse_args().svg
    console = Console()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="limpet-demo-") as folder:
        try:
            return run(console, Path(folder), svg)
        except KeyboardInterrupt:
            console.print("interrupted; everything is stopped")
            return 130
        except (ServicesError, CeleryError, OSError) as error:
            console.print(f"[red]limpet:[/] {error}", soft_wrap=True)
            return 1


if __name__ == "__main__":
    sys.exit(main())
