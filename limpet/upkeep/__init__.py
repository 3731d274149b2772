"""What is known of upkeep: which runs there were, who may run, which beat is active."""

from limpet.upkeep.beat import Beat
from limpet.upkeep.due import longest_gap
from limpet.upkeep.entry import Entry
from limpet.upkeep.overview import Row, overview
from limpet.upkeep.record import NEVER, Record
from limpet.upkeep.store import UpkeepStore

__all__ = [
    "NEVER",
    "Beat",
    "Entry",
    "Record",
    "Row",
    "UpkeepStore",
    "longest_gap",
    "overview",
]
