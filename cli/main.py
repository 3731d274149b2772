"""The whole command line at a glance: every command, by group."""

import typer

from cli import (
    inventory,
    modes,
    probe,
    proxies,
    scrape,
    session_files,
    sessions,
    system,
    tending,
)
from cli.command import group, register


def _app() -> typer.Typer:
    made = group("Scraping jobs on Celery whose sessions stay stuck to one proxy.")
    register(
        made,
        up=system.up,
        migrate=system.migrate,
        scrape=scrape.scrape,
        settings=system.show_settings,
        seal=system.seal,
    )
    of_proxies = group("The proxies of a pool.")
    register(
        of_proxies,
        import_=inventory.import_proxies,
        export=inventory.export_proxies,
        ls=proxies.list_proxies,
        show=proxies.show_proxy,
        probe=probe.probe_proxies,
        disable=modes.disable,
        enable=modes.enable,
        drain=modes.drain,
        evacuate=modes.evacuate,
        rm=modes.remove,
        publish=inventory.publish,
    )
    of_sessions = group("The sessions of a pool.")
    register(
        of_sessions,
        ls=sessions.list_sessions,
        show=sessions.show_session,
        stats=sessions.show_stats,
        close=tending.close,
        clear=tending.clear,
        migrate=tending.migrate,
        export=session_files.export,
        import_=session_files.import_,
    )
    made.add_typer(of_proxies, name="proxies")
    made.add_typer(of_sessions, name="sessions")
    return made


app = _app()
