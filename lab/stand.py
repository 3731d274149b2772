"""The lab in a container of its own: a site, and proxies for other containers.

``python -m lab.stand`` serves; ``python -m lab.stand --lines`` prints the proxies, to
be imported. Whatever name a job asks for, port 8080 of it is the site.
"""

import argparse
import asyncio
import threading
from typing import Final
from urllib.parse import quote

from waitress import create_server

from lab.lab import PASSWORD
from lab.proxy import LabProxy
from lab.site import app

_SITE_PORT: Final = 8080
_FIRST_PORT: Final = 9001
PROXIES: Final = 5


def lines(host: str) -> list[str]:
    """Return what a file of the proxies has, as seen from other containers."""
    password = quote(PASSWORD, safe="")
    return [
        f"{'http' if n % 2 == 0 else 'socks5h'}://user{n + 1}:{password}"
        f"@{host}:{_FIRST_PORT + n}"
        for n in range(PROXIES)
    ]


async def _serve() -> None:
    # In a network of containers only; nothing of it is published.
    everywhere = "0.0.0.0"
    proxies = [
        LabProxy(
            f"user{n + 1}", PASSWORD, f"127.0.7.{n + 1}", here=True, host=everywhere
        )
        for n in range(PROXIES)
    ]
    await asyncio.gather(
        *(proxy.serve(_FIRST_PORT + n) for n, proxy in enumerate(proxies))
    )


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lines", action="store_true", help="print the proxies")
    parser.add_argument("--host", default="demo", help="how others name this container")
    asked = parser.parse_args()
    if asked.lines:
        print("\n".join(lines(asked.host)))
        return
    site = create_server(app, host="127.0.0.1", port=_SITE_PORT, threads=16)
    threading.Thread(target=site.run, daemon=True).start()
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
