"""Put what is ours into Flower, by hooks that it has; it is left as it is.

``flowerconfig.py`` is run by Flower before it makes its application: what is in the
list of its pages, in its settings and in the metrics registry by then is there from
the beginning.
"""

from celery import Celery
from flower import urls
from prometheus_client import REGISTRY
from tornado.routing import URLSpec
from tornado.web import StaticFileHandler, url

from health.survey import Survey
from limpet.settings import Settings
from monitor.actions import PROXY_DEEDS, SESSION_DEEDS, ActionPage
from monitor.heartbeats import Heartbeats
from monitor.metrics import LimpetCollector
from monitor.overlay import Overlay
from monitor.page import STATIC
from monitor.pages import Healthz, Metrics
from monitor.proxies import ProxiesPage
from monitor.proxy import ProxyPage
from monitor.schedule import SchedulePage
from monitor.session import SessionPage
from monitor.sessions import SessionsPage
from monitor.sources import Sources
from monitor.watch import Watch


def install(app: Celery, settings: Settings) -> None:
    """Add our tabs, ``/healthz`` and our part of ``/metrics``; once in a process."""
    heartbeats = Heartbeats()
    watch = Watch(Survey(settings, app, workers=heartbeats))
    shared = {"watch": watch, "heartbeats": heartbeats}
    # The first that matches is taken, so ours go before Flower's own. Named ones keep
    # their arguments behind a prefix.
    urls.handlers[:0] = [
        url(r"/healthz", Healthz, shared, name="healthz"),
        url(r"/metrics", Metrics, shared, name="metrics"),
        *tabs(settings),
    ]
    urls.settings["template_loader"] = Overlay(urls.settings["template_path"])
    REGISTRY.register(LimpetCollector(watch))


def tabs(settings: Settings) -> list[URLSpec]:
    """Return the pages of our tabs, and the files that they need."""
    about: dict[str, object] = {"sources": Sources(settings)}
    of_session = {**about, "deeds": SESSION_DEEDS, "back": "session"}
    of_proxy = {**about, "deeds": PROXY_DEEDS, "back": "proxy"}
    files = {"path": str(STATIC)}
    return [
        url(r"/sessions", SessionsPage, about, name="sessions"),
        url(r"/session", SessionPage, about, name="session"),
        url(r"/session/(\w+)", ActionPage, of_session, name="session-action"),
        url(r"/proxies", ProxiesPage, about, name="proxies"),
        url(r"/proxy", ProxyPage, about, name="proxy"),
        url(r"/proxy/(\w+)", ActionPage, of_proxy, name="proxy-action"),
        url(r"/schedule", SchedulePage, about, name="schedule"),
        url(r"/limpet/(.*)", StaticFileHandler, files, name="limpet-static"),
    ]
