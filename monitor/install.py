"""Put what is ours into Flower, by hooks that it has; it is left as it is.

``flowerconfig.py`` is run by Flower before it makes its application: what is in the
list of its pages and in its settings by then is there from the beginning.
"""

import gc
from typing import Any

from celery import Celery
from flower import urls
from tornado.ioloop import IOLoop
from tornado.routing import URLSpec
from tornado.web import StaticFileHandler, url

from health.survey import Survey
from limpet.settings import Settings
from monitor.actions import PROXY_DEEDS, SESSION_DEEDS, ActionPage
from monitor.broker import Queues
from monitor.events import Events
from monitor.heartbeats import Heartbeats
from monitor.metrics import LimpetCollector
from monitor.overlay import Overlay
from monitor.page import STATIC
from monitor.pages import Healthz, Metrics
from monitor.proxies import ProxiesPage
from monitor.proxy import ProxyPage
from monitor.results import TaskApply, TaskResult
from monitor.schedule import SchedulePage
from monitor.session import SessionPage
from monitor.sessions import SessionsData, SessionsPage
from monitor.shield import shield
from monitor.sources import Sources
from monitor.watch import Watch


def install(app: Celery, settings: Settings, options: Any) -> None:
    """Add our tabs, ``/healthz`` and our part of ``/metrics``; once in a process.

    *options* are Flower's, all of which are read by now.
    """
    heartbeats = Heartbeats()
    queues = Queues(app, settings.health_timeout_seconds)
    watch = Watch(Survey(settings, app, workers=heartbeats, queues=queues))
    shared = {"watch": watch, "heartbeats": heartbeats}
    figures = {**shared, "ours": LimpetCollector(watch)}
    shown: dict[str, object] = {"open_": settings}
    # The first that matches is taken, so ours go before Flower's own. Named ones keep
    # their arguments behind a prefix.
    urls.handlers[:0] = [
        url(r"/healthz", Healthz, shared, name="healthz"),
        url(r"/metrics", Metrics, figures, name="metrics"),
        url(r"/api/task/result/(.+)", TaskResult, shown),
        url(r"/api/task/apply/(.+)", TaskApply, shown),
        *tabs(app, settings),
    ]
    urls.settings["template_loader"] = Overlay(urls.settings["template_path"])
    urls.settings["transforms"] = [shield(settings, options)]
    # Celery's own hook: Flower asks workers through its app.
    app.control_cls = "monitor.inspection:Control"
    # Flower takes these as arguments of its application, and makes its own without.
    urls.settings["events"] = Events(
        settings,
        app,
        io_loop=IOLoop.current(),
        db=options.db,
        persistent=options.persistent,
        state_save_interval=options.state_save_interval,
        enable_events=options.enable_events,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
    # What is imported by now stays for good: the collector of garbage, which a page
    # sets going now and then, need not look at it each time.
    gc.freeze()


def tabs(app: Celery, settings: Settings) -> list[URLSpec]:
    """Return the pages of our tabs, and the files that they need."""
    about: dict[str, object] = {"sources": Sources(settings, app)}
    of_session = {**about, "deeds": SESSION_DEEDS, "back": "session"}
    of_proxy = {**about, "deeds": PROXY_DEEDS, "back": "proxy"}
    files = {"path": str(STATIC)}
    return [
        url(r"/sessions", SessionsPage, about, name="sessions"),
        url(r"/sessions/data", SessionsData, about, name="sessions-data"),
        url(r"/session", SessionPage, about, name="session"),
        url(r"/session/(\w+)", ActionPage, of_session, name="session-action"),
        url(r"/proxies", ProxiesPage, about, name="proxies"),
        url(r"/proxy", ProxyPage, about, name="proxy"),
        url(r"/proxy/(\w+)", ActionPage, of_proxy, name="proxy-action"),
        url(r"/schedule", SchedulePage, about, name="schedule"),
        url(r"/limpet/(.*)", StaticFileHandler, files, name="limpet-static"),
    ]
