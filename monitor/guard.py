"""Flower shows jobs and results: it must not be open to the network by accident."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flower.utils import strtobool

from limpet.errors import ConfigurationError

#: Flower keeps 100,000 jobs, which take 0.5 GB and a second for a page of the last
#: ones, and every worker that there ever was.
_DEFAULTS: Final = {"max_tasks": 10_000, "purge_offline_workers": 600}


def set_defaults(
    options: Any, environment: Mapping[str, str], arguments: Sequence[str]
) -> None:
    """Give *options* values of ours where neither of the others has one."""
    asked = {one.partition("=")[0].lstrip("-").replace("-", "_") for one in arguments}
    for name, value in _DEFAULTS.items():
        if name not in asked and f"FLOWER_{name.upper()}" not in environment:
            setattr(options, name, value)


def check_exposure(options: Any, environment: Mapping[str, str]) -> None:
    """Bind to this machine unless told otherwise; refuse to be open without a password.

    *options* are Tornado's, as Flower has filled them by now from its command line
    and *environment*.

    Raises:
        ConfigurationError: a wider address was asked for, or an API for everybody, and
            no authentication is set; or nobody could log in with what is set.
    """
    for login in options.basic_auth or ():
        # Flower cannot compare any other, and fails whoever asks.
        if not all(login.partition(":")) or not login.isascii():
            raise ConfigurationError(
                "FLOWER_BASIC_AUTH: each login is user:password, in ASCII"
            )
    if not options.address and not options.unix_socket:
        options.address = "127.0.0.1"
    if options.basic_auth or options.auth or options.unix_socket:
        return
    if strtobool(environment.get("FLOWER_UNAUTHENTICATED_API") or "false"):
        raise ConfigurationError(
            "FLOWER_UNAUTHENTICATED_API: every website that somebody on this machine "
            "opens could send jobs; set FLOWER_BASIC_AUTH=user:password too"
        )
    if not is_loopback(options.address):
        raise ConfigurationError(
            f"FLOWER_ADDRESS: {options.address!r} can be reached from other machines; "
            "set FLOWER_BASIC_AUTH=user:password too"
        )


def is_loopback(address: str) -> bool:
    """Whether it leads to this machine alone; of names only ``localhost`` does."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
