"""Jobs that will never succeed: kept, counted, and sent again when somebody says so."""

from limpet.dead.letter import Letter, Reason
from limpet.dead.letters import DeadLetters, dead_counts

__all__ = ["DeadLetters", "Letter", "Reason", "dead_counts"]
