"""A worker and a Flower, and jobs with a secret in all that may have one."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from celery import Celery

from lab import Lab
from tests.monitor.conftest import Flower
from tests.stack import Stack

LOGIN: Final = "ada:pw"
#: Where it is planted → the word that gives it away.
PLANTED: Final = {
    "proxy": "p%40ss",
    "proxy as it is": "p@ss",
    "broker": "Br0kerS3cret",
    "flower": base64.b64encode(LOGIN.encode()).decode(),
    "header": "Head3rS3cret",
    "cookie": "C00kieS3cret",
    "params": "Par4mS3cret",
    "query": "Qu3ryS3cret",
    "user": "Us3rinfoS3cret",
    "form": "F0rmS3cret",
    "json": "JsonS3cret",
    "webhook": "H00kS3cret",
    "argument": "Arg5S3cret",
    "proxy argument": "ProxyArgS3cret",
    "session": "Sess1onS3cret",
    "method": "M3thodS3cret",
    "country": "C0untryS3cret",
    "timeout": "T1meoutS3cret",
    "name": "Nam3S3cret",
    "broken url": "8r0kenS3cret",
    "result": "R3sultS3cret",
    "exception": "Exc3ptionS3cret",
    "sent": "S3ntS3cret",
}
_OURS: Final = ("/sessions", "/sessions/data?pool=default", "/proxies", "/schedule")


class Cluster:
    """A worker and a Flower on a Redis with a password."""

    def __init__(self, stack: Stack, flower: Flower, lab: Lab) -> None:
        self.stack, self.flower, self.lab = stack, flower, lab
        self.ids: list[str] = []

    @property
    def app(self) -> Celery:
        """A producer that knows nothing of ours."""
        return Celery(broker=self.stack.broker_url, backend=self.stack.broker_url)

    def celery(self, what: str, *more: str) -> subprocess.Popen[str]:
        """Start it with the app that leaks."""
        command = str(Path(sys.executable).parent / "celery")
        app = ("-A", "tests.monitor.leaky", what)
        return self.stack.python(command, *app, *more, log=what)

    def send(self, task: str, *args: object, **kwargs: Any) -> Any:
        sent = self.app.send_task(task, args=args, kwargs=kwargs)
        self.ids.append(sent.id)
        return sent

    def work(self) -> None:
        """Have every kind of job done, with a secret in all that may have one."""
        p = PLANTED
        common: dict[str, Any] = {
            "headers": {"X-Api-Key": p["header"], "Cookie": f"sid={p['cookie']}"},
            "params": {"token": p["params"]},
            "webhook": f"http://127.0.0.1:9/{p['webhook']}?key={p['webhook']}",
        }
        host = self.lab.site.removeprefix("http://")
        url = f"http://me:{p['user']}@{host}/echo?token={p['query']}"
        plain = f"{self.lab.site}/echo?token={p['query']}"
        wrong: dict[str, Any] = {
            "url": f"http://me:12/{p['broken url']}@{host}/",
            "proxy": f"http://me:{p['proxy argument']}@10.0.0.1:80",
            "session": f"sid={p['session']}; a=b",
            **{name: p[name] for name in ("method", "country", "timeout")},
            f"?token={p['name']}": 1,
        }
        form, body = {"password": p["form"]}, {"password": p["json"]}
        jobs = [
            self.send("scrape", url=plain, session="one", **common),
            self.send("scrape", url=plain, method="POST", form=form, **common),
            self.send("scrape", url=plain, method="POST", json=body, **common),
            self.send("scrape", url=url, **common),
            self.send("scrape_many", urls=[plain, plain], session="two", **common),
            self.send("scrape", plain, sesion=p["argument"]),
            self.send("scrape", **wrong),
            self.send("scrape", url=f"http://127.0.0.1:1/?token={p['query']}"),
            self.send("leak", p["argument"], how="return", secret=p["result"]),
            self.send("leak", how="raise", secret=p["exception"]),
            self.send("leak", how="raise", secret=p["exception"] + "x" * 5000),
            self.send("nothing.such", p["argument"], secret=p["argument"]),
        ]
        for one in jobs:
            one.get(timeout=60, propagate=False)
        loud = self.app
        loud.conf.task_send_sent_event = True
        sent = loud.send_task(
            "leak", (p["sent"],), {"how": "return", "secret": p["sent"]}
        )
        self.ids.append(sent.id)
        sent.get(timeout=30)

    def hold(self) -> None:
        """Have jobs wait: one is worked on, one was taken, one is for later."""
        slow = f"{self.lab.site}/shop/slow/1?delay=60&token={PLANTED['query']}"
        for _ in range(4):
            self.send("scrape", url=slow, timeout=90, headers={"A": PLANTED["header"]})
        later = self.app.send_task(
            "leak",
            (PLANTED["argument"],),
            {"how": "return", "secret": "x"},
            countdown=900,
        )
        self.ids.append(later.id)

    def inspected(self) -> str:
        """Return all that `inspect` has to say."""
        inspect = self.app.control.inspect(timeout=2)
        return repr(
            [
                *(inspect.active(), inspect.reserved(), inspect.scheduled()),
                *(inspect.conf(), inspect.conf(with_defaults=True), inspect.stats()),
                *(inspect.report(), inspect.registered(), inspect.active_queues()),
                *(inspect.revoked(), inspect.query_task(*self.ids), inspect.hello("x")),
            ]
        )

    def pages(self) -> dict[str, str]:
        """Return all that Flower has to say."""
        query = "draw=1&start=0&length=100&order[0][column]=0&order[0][dir]=asc"
        paths = [
            *("/", "/workers", "/worker/leaky@test", "/tasks", "/broker", "/metrics"),
            f"/tasks/datatable?{query}&columns[0][data]=name",
            *("/healthcheck", "/healthz", "/api/workers?refresh=1", "/api/tasks"),
            *("/api/task/types", "/api/queues/length", *_OURS),
            *(f"/session?pool=default&id={one}" for one in ("one", "two")),
            *(f"/task/{one}" for one in self.ids),
            *(f"/api/task/info/{one}" for one in self.ids),
            *(f"/api/task/result/{one}" for one in self.ids),
        ]
        home = self.flower.get("/proxies").body.partition('href="/proxy?')[2]
        paths.append("/proxy?" + home.partition('"')[0].replace("&amp;", "&"))
        return {path: self.flower.get(path).body for path in paths}

    def applied(self) -> str:
        """Return what Flower says of a job that it was asked to send and wait for."""
        kwargs = {"how": "return", "secret": PLANTED["result"]}
        body = json.dumps({"kwargs": kwargs, "timeout": 20}).encode()
        answer = self.flower.get("/api/task/apply/leak", "POST", body)
        assert answer.json["state"] == "SUCCESS"
        return answer.body
