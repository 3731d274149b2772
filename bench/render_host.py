"""A worker's browser by itself: what its contexts take, in memory and in time."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

from lab import Lab
from limpet.jobs import RenderJob
from limpet.settings import Settings
from proxies import parse_proxy
from sessions import Lease
from sessions.state import SessionState
from tasks.browser.host import Host
from tasks.browser.values import Rendered, Wish

#: What a page keeps in its browser; seldom more.
_ENTRIES: Final = 20
_numbers = count()


@contextmanager
def _host(contexts: int) -> Iterator[tuple[Host, Lab]]:
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        config = Settings(
            _env_file=None,
            state_dir=Path(folder),
            allow_private_hosts="127.0.0.0/8",
            render_contexts=contexts,
        )
        host = Host(config)
        try:
            with Lab(proxies=1) as lab:
                yield host, lab
        finally:
            host.close()


def _visit(host: Host, lab: Lab, url: str, **state: Any) -> Rendered:
    number = next(_numbers)
    lease = Lease(
        pool="bench",
        session=f"s{number}",
        token=f"t{number}",
        proxy=parse_proxy(lab.proxies[0].line),
        generation=1,
        incarnation=1,
        state=SessionState(**state),
        temporary=False,
        shared=False,
        created=True,
        moved=False,
    )
    job = RenderJob.parse((), {"url": url})
    found = host.visit(Wish(job, lease, "limpet-bench", 30, 10, 10**8))
    assert found.error is None, found.error
    return found


def mb_per_context(contexts: int) -> float:
    """Return the MB that one more context takes, its page still open.

    Of the browser's processes and its driver; memory that they share is shared out
    (PSS), so that no page of it counts twice.
    """
    with _host(contexts + 1) as (host, lab):
        url = f"{lab.site}/shop/memory/1"
        _visit(host, lab, url)
        before = _pss(host)
        for _ in range(contexts):
            _visit(host, lab, url)
        return (_pss(host) - before) / contexts


def _pss(host: Host) -> float:
    total = 0
    pids = host.pids()
    # The driver is what has started the browser.
    stat = Path(f"/proc/{pids[0]}/stat").read_text("ascii")
    pids.append(int(stat.rpartition(")")[2].split()[1]))
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def restore_ms(rounds: int) -> float:
    """Return the ms by which a context with the storage of one origin opens later."""
    with _host(2) as (host, lab):
        url = f"{lab.site}/whoami"
        origins = [
            {"origin": lab.site, "localStorage": _stored(), "indexedDB": _kept()}
        ]
        extra = []
        for _ in range(rounds):
            took = []
            for state in ({}, {"origins": json.loads(json.dumps(origins))}):
                found = _visit(host, lab, url, **state)
                took.append(found.times["context_ms"])
                host.drop(found)
            extra.append(took[1] - took[0])
        return median(extra)


def _stored() -> list[dict[str, str]]:
    return [{"name": f"key{n}", "value": "v" * 20} for n in range(_ENTRIES)]


def _kept() -> list[dict[str, Any]]:
    records = [{"key": n, "value": {"n": n}} for n in range(_ENTRIES)]
    store = {"name": "kept", "autoIncrement": False, "indexes": [], "records": records}
    return [{"name": "shop", "version": 1, "stores": [store]}]
