"""What jobs leave behind: rows, bodies, and marks of what was done already."""

from results.artifacts import Artifacts, open_artifacts
from results.page import StoredPage, Wanted
from results.retention import Removed, prune

__all__ = [
    "Artifacts",
    "Removed",
    "StoredPage",
    "Wanted",
    "open_artifacts",
    "prune",
]
