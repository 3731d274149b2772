"""Flower shows jobs and results: it must not be open to the network by accident."""

import ipaddress
from typing import Any

from limpet.errors import ConfigurationError


def check_exposure(options: Any) -> None:
    """Bind to this machine unless told otherwise; refuse to be open without a password.

    *options* are Tornado's, as Flower has filled them by now from its command line
    and environment.

    Raises:
        ConfigurationError: a wider address was asked for, and no authentication is set.
    """
    if not options.address and not options.unix_socket:
        options.address = "127.0.0.1"
    if options.basic_auth or options.auth or options.unix_socket:
        return
    if not _is_loopback(options.address):
        raise ConfigurationError(
            f"FLOWER_ADDRESS: {options.address!r} can be reached from other machines; "
            "set FLOWER_BASIC_AUTH=user:password too"
        )


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
