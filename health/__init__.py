"""How the whole installation is doing: facts, the rules over them, and alerts."""

from health.check import Check, Report, Status
from health.facts import Facts, PoolFacts, Runs
from health.limits import Limits
from health.rules import judge

__all__ = [
    "Check",
    "Facts",
    "Limits",
    "PoolFacts",
    "Report",
    "Runs",
    "Status",
    "judge",
]
