"""One storm from beginning to end."""

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.storm.collect import Reader
from tests.chaos.storm.history import History
from tests.chaos.storm.plan import sendings, troubles
from tests.chaos.storm.rules import judge
from tests.chaos.storm.stage import Stage
from tests.chaos.storm.weather import Tell, Weather


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, what breaks each rule, and how many messages were given on."""

    history: History
    verdict: dict[str, list[str]]
    redelivered: int

    @property
    def broken(self) -> set[str]:
        return {rule for rule, lines in self.verdict.items() if lines}


def storm(
    folder: Path,
    *,
    jobs: int,
    seed: int,
    rate: float,
    bug: str = "",
    tell: Tell = print,
) -> Outcome:
    """Run *jobs* in a storm, *rate* a second, and judge it; no process stays.

    Raises:
        ServicesError: something did not even start.
    """
    tell("starting two Redis, a site, 20 proxies, three workers, beat and Flower")
    with Stage(folder, bug=bug) as stage:
        app = stage.app()
        weather, reader = Weather(stage, app, tell), Reader(stage, app)
        tell(f"seed {seed}: {jobs} jobs, {rate:g} a second")
        weather.rage(sendings(seed, jobs), troubles(seed), rate=rate)
        tell("all jobs are sent; waiting until all is quiet")
        reader.calm()
        away = reader.away()
        app.close()
        stage.stop_services()
        history = reader.history(weather.jobs, weather.deaths, away)
        redelivered = reader.redelivered()
    return Outcome(history, judge(history), redelivered)
