"""The task that apps call for a page in a browser."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from limpet.errors import ExtractionFailed, FetchError, InvalidJob, StepFailed
from limpet.jobs import RenderJob
from limpet.jobs import steps as kinds
from limpet.names import RENDER
from limpet.settings import settings
from sessions import Lease
from tasks import runtime
from tasks.answers import answer
from tasks.browsers import browser
from tasks.celery import app
from tasks.page import Page
from tasks.rendering import LEASE, Renders
from tasks.retry import History
from tasks.running import JobTask, run
from tasks.visits import names

if TYPE_CHECKING:
    from tasks.browser.values import Rendered

#: Hosts that a result names of those that no job may go to.
_REFUSED: Final = 10

log = structlog.get_logger(__name__)


@app.task(name=RENDER, base=JobTask, bind=True)
def render(self: JobTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Open a page in a browser and do its steps; `RenderJob` says what may be asked.

    Returns the final ``url``, ``status``, ``title``; ``data`` of all rules, ``values``
    of scripts; ``files``, each with ``name``, ``kind``, ``step``, ``content_type``,
    ``size`` and ``sha256``, by which it is in the artifact store; ``steps`` and
    ``times`` in milliseconds; ``received`` and ``sent``, bytes through the proxy;
    ``console`` (errors alone), ``popups``, ``dialogs``, ``downloads``, ``refused``
    (hosts that no job may go to); ``warm``, whether the context was still open; and
    what served it, as for `scrape`.

    Raises:
        InvalidJob: the arguments describe no job.
        JobFailed: it could not be done; the text says what each try met.
    """
    task = str(self.request.id)
    return run(
        self, RenderJob, lambda job, history: _Run(job, history, task), args, kwargs
    )


class _Run:
    def __init__(self, job: RenderJob, history: History, task: str) -> None:
        self._job, self._task, self.history = job, task, history
        self._renders: Renders | None = None
        self.fetched = False

    @property
    def proxy(self) -> str:
        return self._renders.proxy if self._renders else ""

    @property
    def ms(self) -> int:
        return self._renders.ms if self._renders else 0

    @property
    def sent(self) -> bool:
        return self._renders.sent if self._renders else False

    def result(self) -> dict[str, Any]:
        _check(self._job)
        stores = runtime.stores()
        stores.ready(self._job.store)
        if any(isinstance(one, _KEEPS) for one in self._job.steps):
            stores.ready_for_files()
        host = browser()
        self._renders = Renders(self._job, self.history, host)
        with host.turn():
            lease, rendered, page = self._visit(self._renders)
        if page.block:
            raise page.block.error()
        if isinstance(rendered.error, StepFailed):
            raise self._pictured(rendered.error, rendered.picture)
        return self._whole(lease, rendered, page)

    def salvage(self, _reason: str) -> None:
        """Return nothing: a page that could not be had is no page."""

    def summary(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return all but what the page said."""
        return {k: v for k, v in result.items() if k not in {"console", "values"}}

    def _visit(self, renders: Renders) -> "tuple[Lease, Rendered, Page]":
        request = renders.request(self._job.url)
        slot = renders.slot(request)
        used = False
        try:
            lease = renders.lease(request, hold=LEASE)
            try:
                rendered = renders.render(lease, request)
            except Exception as error:
                used = isinstance(error, FetchError)
                renders.failed(lease, request, error)
                raise
            used = self.fetched = True
            page = renders.done(lease, rendered)
        finally:
            renders.give(slot, used=used)
        parts = urlsplit(page.url)
        log.info(
            "rendered",
            **names(lease),
            host=parts.hostname,
            path=parts.path,
            status=page.status,
            bytes=rendered.traffic.received,
            ms=renders.ms,
            warm=rendered.warm,
        )
        return lease, rendered, page

    def _pictured(self, error: StepFailed, picture: bytes) -> StepFailed:
        """Return *error* with a picture of its moment, if that can be kept."""
        if not picture:
            return error
        sha = runtime.stores().put_file(picture, "image/png", task=self._task)
        return StepFailed(error.number, error.do, error.target, error.reason, sha)

    def _whole(self, lease: Lease, rendered: "Rendered", page: Page) -> dict[str, Any]:
        files = [self._kept(file) for file in rendered.files]
        data = self._extracted(rendered)
        found = answer(self._job, lease, page, task=self._task, item=0)
        if found.row.data is not None:
            data = {**(data or {}), **found.summary["data"]}
        runtime.stores().keep([found.row] if self._job.store else [], task=self._task)
        left_out = {"bytes", "redirects", "truncated"}
        summary = {k: v for k, v in found.summary.items() if k not in left_out}
        seen, traffic = rendered.seen, rendered.traffic
        return {
            **summary,
            "title": rendered.title,
            "data": data,
            "values": rendered.values,
            "files": files,
            "cut": rendered.cut,
            "steps": rendered.steps,
            "times": rendered.times,
            "received": traffic.received,
            "sent": traffic.sent,
            "console": seen.console,
            "popups": seen.popups,
            "dialogs": seen.dialogs,
            "downloads": seen.downloads,
            "refused": sorted(traffic.refused)[:_REFUSED],
            "warm": rendered.warm,
            "pool": lease.pool,
            "session": found.row.session,
            "tries": len(self.history.met) + 1,
        }

    def _kept(self, file: Any) -> dict[str, Any]:
        sha = runtime.stores().put_file(file.body, file.content_type, task=self._task)
        about = ("name", "kind", "step", "content_type")
        told = {name: getattr(file, name) for name in about}
        return {**told, "size": len(file.body), "sha256": sha}

    def _extracted(self, rendered: "Rendered") -> dict[str, Any] | None:
        """Return what the steps have taken out; a later value wins."""
        data: dict[str, Any] = {}
        for one in rendered.snapshots:
            step = self._job.steps[one.step - 1]
            assert isinstance(step, kinds.Extract)
            try:
                data |= runtime.extractors().extract(
                    step.rules, one.html, url=one.url, content_type="text/html"
                )
            except ExtractionFailed as error:
                where = f"steps.{one.step - 1}.rules.{error.path}"
                raise ExtractionFailed(where, error.reason) from None
        return data if rendered.snapshots else None


#: Steps that keep a file.
_KEEPS: Final = (kinds.Screenshot, kinds.Pdf, kinds.Html)


def _check(job: RenderJob) -> None:
    if settings().render_allow_js:
        return
    for n, step in enumerate(job.steps):
        if isinstance(step, kinds.Evaluate):
            raise InvalidJob(
                f"steps.{n}.evaluate: LIMPET_RENDER_ALLOW_JS does not let jobs run "
                "scripts of their own"
            )
