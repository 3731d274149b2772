"""The settings of fetching; see `limpet.settings`."""

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from limpet.render_settings import RenderSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def split_hosts(text: str) -> tuple[frozenset[str], tuple[Network, ...]]:
    """Read host names (``*.`` takes all below) and networks, separated by commas.

    Raises:
        ValueError: one of them is neither; the text says which by its position.
    """
    names, networks = set(), []
    parts = [part.strip().lower() for part in text.split(",")]
    for n, part in enumerate(parts, start=1):
        if not part:
            continue
        try:
            networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
        except ValueError:
            numeric = part.replace(".", "").replace("/", "").isdigit()
            if numeric or not _NAME.fullmatch(part):
                raise ValueError(
                    f"must be host names and networks such as 10.0.0.0/8, separated by "
                    f"commas; entry {n} is neither"
                ) from None
            names.add(part)
    return frozenset(names), tuple(networks)


def _hosts(text: str) -> str:
    split_hosts(text)
    return text


def _rules(text: str) -> str:
    from limpet.jobs.blocks import read_rules  # noqa: PLC0415 - slow, and rarely set

    read_rules(text)
    return text


def _authorities(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=file)
    except OSError:
        raise ValueError("must be a PEM file with certificates") from None
    return file


class FetchSettings(RenderSettings):
    """How pages are fetched, by a browser too, and what may be."""

    fetcher: str = Field(
        default="requests",
        pattern=r"^[a-z][a-z0-9_-]{0,31}$",
        description="What fetches pages: requests, curl (TLS as browsers have it; "
        "needs the extra of that name), or one of an installed package.",
    )
    curl_impersonate: str = Field(
        default="chrome",
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="The browser whose TLS and headers the fetcher curl shows.",
    )
    allow_private_hosts: Annotated[str, AfterValidator(_hosts)] = Field(
        default="",
        description="Hosts and networks, separated by commas, that jobs may visit "
        "although they are not public, such as `shop,*.lan,10.0.0.0/8`.",
    )
    block_rules: Annotated[str, AfterValidator(_rules)] = Field(
        default="",
        description="What else is a block, or is none, per domain: JSON, or a file of "
        "it; see docs/fetching.md.",
    )
    ca_file: Annotated[Path, AfterValidator(_authorities)] | None = Field(
        default=None,
        description="PEM file with certificate authorities that are trusted besides "
        "the usual ones.",
    )
