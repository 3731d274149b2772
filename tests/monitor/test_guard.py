"""Flower is safe as it comes, and does what somebody has asked for."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from limpet.errors import ConfigurationError
from monitor import check_exposure, set_defaults
from tests.conftest import Eventually
from tests.monitor.conftest import Flower
from tests.stack import Stack


def options(**said: Any) -> Any:
    plain = {"address": "", "unix_socket": "", "basic_auth": None, "auth": ""}
    return SimpleNamespace(
        **{**plain, "max_tasks": 100_000, "purge_offline_workers": None, **said}
    )


def test_nobody_else_can_reach_it_unless_told() -> None:
    made = options()

    check_exposure(made, {})

    assert made.address == "127.0.0.1"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_open_address_needs_a_login(address: str) -> None:
    with pytest.raises(ConfigurationError, match="set FLOWER_BASIC_AUTH"):
        check_exposure(options(address=address), {})
    check_exposure(options(address=address, basic_auth=["ada:pw"]), {})


def test_an_api_for_everybody_needs_a_login() -> None:
    asked = {"FLOWER_UNAUTHENTICATED_API": "true"}

    with pytest.raises(ConfigurationError, match="FLOWER_UNAUTHENTICATED_API"):
        check_exposure(options(), asked)
    check_exposure(options(basic_auth=["ada:pw"]), asked)
    check_exposure(options(), {"FLOWER_UNAUTHENTICATED_API": "false"})


@pytest.mark.parametrize("login", ["ada", "ada:pässword"])
def test_a_login_that_nobody_could_use_is_refused(login: str) -> None:
    with pytest.raises(ConfigurationError, match="FLOWER_BASIC_AUTH") as refused:
        check_exposure(options(basic_auth=["eve:pw", login]), {})

    assert login not in str(refused.value)


@pytest.mark.parametrize("login", [":", "ada:", ":pw"])
def test_a_login_without_a_name_or_a_password_is_none(login: str) -> None:
    with pytest.raises(ConfigurationError, match="FLOWER_BASIC_AUTH"):
        check_exposure(options(address="0.0.0.0", basic_auth=[login]), {})


@pytest.mark.parametrize(
    ("environment", "arguments", "kept"),
    [
        ({}, ["celery", "flower"], (10_000, 600)),
        ({"FLOWER_MAX_TASKS": "100000"}, [], (100_000, 600)),
        ({}, ["flower", "--max-tasks=100000"], (100_000, 600)),
        ({}, ["flower", "--max_tasks=100000"], (100_000, 600)),
        ({"FLOWER_PURGE_OFFLINE_WORKERS": "5"}, [], (10_000, None)),
    ],
)
def test_our_defaults_are_for_who_set_none(
    environment: dict[str, str], arguments: list[str], kept: tuple[int, int | None]
) -> None:
    made = options()

    set_defaults(made, environment, arguments)

    assert (made.max_tasks, made.purge_offline_workers) == kept


def test_it_refuses_to_start_open_and_names_the_variable(stack: Stack) -> None:
    process = stack.celery("flower", log="flower", FLOWER_ADDRESS="0.0.0.0")

    assert process.wait(60) != 0
    assert "FLOWER_ADDRESS" in stack.log("flower").read_text()
    assert "FLOWER_BASIC_AUTH" in stack.log("flower").read_text()


def test_it_listens_on_this_machine_alone(
    stack: Stack, free_port: Any, eventually: Eventually
) -> None:
    port = free_port()
    stack.celery("flower", log="flower", FLOWER_PORT=str(port))
    flower = Flower(port, stack)
    eventually(flower.up, within=60)

    with socket.socket() as probe:
        refused = probe.connect_ex(("127.0.0.9", port))

    assert refused != 0
