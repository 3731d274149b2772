"""The whole command line at a glance: every command, by group."""

import typer

from cli import (
    dead,
    health,
    inventory,
    jobs,
    modes,
    probe,
    proxies,
    render,
    resharding,
    restoring,
    results,
    schedule,
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
        health=health.health,
        migrate=system.migrate,
        scrape=scrape.scrape,
        render=render.render,
        jobs=jobs.show_jobs,
        schedule=schedule.show_schedule,
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
        restore=restoring.restore,
        reshard=resharding.reshard,
    )
    of_results = group("The pages that jobs were asked to keep.")
    register(
        of_results,
        ls=results.list_results,
        show=results.show_result,
        export=results.export_results,
    )
    of_dead = group("Jobs that will never succeed.")
    register(
        of_dead,
        ls=dead.list_dead,
        show=dead.show,
        retry=dead.retry,
        purge=dead.purge,
        stats=dead.stats,
    )
    made.add_typer(of_proxies, name="proxies")
    made.add_typer(of_sessions, name="sessions")
    made.add_typer(of_results, name="results")
    made.add_typer(of_dead, name="dead")
    return made


app = _app()
