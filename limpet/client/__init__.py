"""What an app of yours enqueues with: typed, and light to import."""

from limpet.client.batch import Batch, BatchProgress
from limpet.client.client import Limpet
from limpet.client.handle import Handle, Progress
from limpet.client.outcomes import File, ManyPages, Page, PageOutcome, RenderedPage

__all__ = [
    "Batch",
    "BatchProgress",
    "File",
    "Handle",
    "Limpet",
    "ManyPages",
    "Page",
    "PageOutcome",
    "Progress",
    "RenderedPage",
]
