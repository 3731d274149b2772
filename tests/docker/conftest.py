"""What the tests of the shipped images share; `make docker` runs them.

Without an engine they are skipped, unless ``--require-docker`` says that there is one.
"""

import os
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


def _missing(config: pytest.Config) -> str:
    if not config.pluginmanager.has_plugin(_PLUGIN):
        return "these are run by `make docker`"
    import docker  # noqa: PLC0415 - of an extra that only these tests need
    from docker.errors import DockerException  # noqa: PLC0415 - the same

    try:
        with_engine = docker.from_env(timeout=5)
        with_engine.ping()
        with_engine.close()
    except DockerException as error:
        return f"no Docker engine answers: {type(error).__name__}"
    return ""


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    ours = [item for item in items if _HERE in item.path.parents]
    why = _missing(config) if ours else ""
    if why and config.getoption("--require-docker", default=False):
        raise pytest.UsageError(f"--require-docker: {why}")
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
