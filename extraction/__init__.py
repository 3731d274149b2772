"""Values out of pages, by rules, in processes that may be killed."""

from extraction.crew import Crew
from extraction.engine import extract

__all__ = ["Crew", "extract"]
