"""The right side is blamed with proxies that others wrote: tinyproxy and microsocks."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lab import Lab
from limpet.errors import Blame, FetchError
from proxies import Proxy
from sessions import Lease
from tasks.fetching import Request
from tasks.http import Fetcher

LeaseOf = Callable[[Proxy], Lease]
Eventually = Callable[..., None]
KINDS = {"tinyproxy": "http", "microsocks": "socks5h"}
EXIT = "127.0.7.20"

_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Bind {exit}
Timeout 600
BasicAuth me S3cret
LogFile "{folder}/tinyproxy.log"
"""


def _command(kind: str, port: int, folder: Path) -> list[str]:
    program = shutil.which(kind) or ""
    if not program and os.environ.get("CI") == "true":
        pytest.fail(f"{kind} is missing: apt-get install {kind}")
    if not program:
        pytest.skip(f"{kind} is not installed")
    if kind == "microsocks":
        login = ("-u", "me", "-P", "S3cret")
        return [program, "-i", "127.0.0.1", "-p", str(port), *login, "-b", EXIT]
    file = folder / "tinyproxy.conf"
    file.write_text(_TINYPROXY.format(port=port, exit=EXIT, folder=folder))
    return [program, "-d", "-c", str(file)]


@pytest.fixture(scope="session")
def real(
    tmp_path_factory: pytest.TempPathFactory, eventually: Eventually
) -> Iterator[Callable[[str], Proxy]]:
    """Start a proxy of some kind, once."""
    started: dict[str, Proxy] = {}
    with ExitStack() as running:

        def start(kind: str) -> Proxy:
            if kind not in started:
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    port = probe.getsockname()[1]
                command = _command(kind, port, tmp_path_factory.mktemp(kind))
                process = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                running.enter_context(process)
                running.callback(process.kill)
                eventually(lambda: _answers(port))
                started[kind] = Proxy(KINDS[kind], "127.0.0.1", port, "me", "S3cret")
            return started[kind]

        yield start


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def blamed(fetcher: Fetcher, lease: Lease, url: str, timeout: float = 20) -> str:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(lease, Request(url, timeout=timeout))
    error = caught.value
    assert "S3cret" not in json.dumps(error.args) + str(error)
    return f"{error.blame} {error.kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_pages_come_through_them_over_kept_connections(
    fetcher: Fetcher,
    real: Callable[[str], Proxy],
    lab: Lab,
    lease_of: LeaseOf,
    kind: str,
) -> None:
    lease = lease_of(real(kind))

    pages = [fetcher.fetch(lease, Request(f"{lab.site}/whoami")) for _ in range(2)]

    assert {json.loads(page.body)["address"] for page in pages} == {EXIT}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_over_tls_comes_through_them_too(
    trusting: Fetcher,
    real: Callable[[str], Proxy],
    hostile: dict[str, int],
    lease_of: LeaseOf,
    kind: str,
) -> None:
    url = f"https://127.0.0.1:{hostile['https']}/flood"

    page = trusting.fetch(lease_of(real(kind)), Request(url, max_bytes=100_000))

    assert (page.status, page.truncated) == (200, True)


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_the_proxy_s_fault(
    fetcher: Fetcher,
    real: Callable[[str], Proxy],
    lease_of: LeaseOf,
    kind: str,
    target: str,
) -> None:
    wrong = replace(real(kind), password="S3cret-but-wrong")

    found = blamed(fetcher, lease_of(wrong), f"{target}://127.0.0.1:1/")

    assert found == "proxy auth"


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_that_is_gone_is_not(
    fetcher: Fetcher,
    real: Callable[[str], Proxy],
    lease_of: LeaseOf,
    kind: str,
    target: str,
) -> None:
    found = blamed(fetcher, lease_of(real(kind)), f"{target}://127.0.0.1:1/")

    # An HTTP status does not tell which of the two it was; a SOCKS reply does.
    if kind == "microsocks":
        assert found == "target connect"
    else:
        assert found == f"unknown {'gateway' if target == 'http' else 'tunnel'}"


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_nor_is_a_target_that_hangs(
    trusting: Fetcher,
    real: Callable[[str], Proxy],
    hostile: dict[str, int],
    lease_of: LeaseOf,
    kind: str,
    target: str,
) -> None:
    url = f"{target}://127.0.0.1:{hostile[target]}/hang"

    assert blamed(trusting, lease_of(real(kind)), url, 1) == "unknown timeout"


@pytest.mark.parametrize("code", [401, 500, 503])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_page_of_the_site_is_a_page(
    fetcher: Fetcher,
    real: Callable[[str], Proxy],
    lab: Lab,
    lease_of: LeaseOf,
    kind: str,
    code: int,
) -> None:
    page = fetcher.fetch(lease_of(real(kind)), Request(f"{lab.site}/status/{code}"))

    assert page.status == code, "though tinyproxy has its name in it"


def test_a_bad_certificate_is_the_target_s_fault(
    trusting: Fetcher,
    real: Callable[[str], Proxy],
    hostile: dict[str, int],
    lease_of: LeaseOf,
) -> None:
    url = f"https://127.0.0.1:{hostile['expired']}/"

    found = {blamed(trusting, lease_of(real(kind)), url) for kind in KINDS}

    assert found == {f"{Blame.TARGET} certificate"}
