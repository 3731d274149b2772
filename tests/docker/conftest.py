"""What the tests of the shipped images share; `make docker` runs them.

Without an engine they are skipped, unless ``--require-docker`` says that there is one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_PLUGIN = "pytest_celery.plugin"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-docker",
        action="store_true",
        help="fail, instead of skipping, where no Docker engine answers",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Here, so that it ends before processes share the tests out.
    if config.getoption("--require-docker", default=False) and (
        why := _missing(config)
    ):
        raise pytest.UsageError(f"--require-docker: {why}")


def _missing(config: pytest.Config) -> str:
    if not config.pluginmanager.has_plugin(_PLUGIN):
        return "these are run by `make docker`"
    if not shutil.which("docker"):
        return "there is no command docker"
    # Not by the library, which leaves a socket open where nobody answers.
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    why = asked.stderr.strip()
    return f"no Docker engine answers: {why}" if asked.returncode else ""


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    ours = [item for item in items if _HERE in item.path.parents]
    why = _missing(config) if ours else ""
    for item in ours:
        item.add_marker(pytest.mark.timeout(600))
        if why:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def host_environment() -> dict[str, str]:
    """Return what a command needs to find the engine, and nothing that is a setting."""
    kept = ("PATH", "HOME", "LANG")
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith("DOCKER_")
    }
