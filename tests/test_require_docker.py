"""Where no engine answers, tests of what is shipped are skipped only by permission."""

import os
import subprocess
import sys

import pytest

from limpet.settings import ROOT


def _collected(*options: str) -> subprocess.CompletedProcess[str]:
    plugins = ("pytest_docker_tools.plugin", "pytest_celery.plugin")
    named = [option for plugin in plugins for option in ("-p", plugin)]
    # As `make docker` runs them.
    shared = ("-q", "-n", "2", "--dist", "loadfile", "tests/docker")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *named, *options, *shared],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_missing_engine_is_an_error_where_docker_is_required() -> None:
    found = _collected("--require-docker")

    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --require-docker: " in found.stderr
