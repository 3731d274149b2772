"""What jobs may ask for; checked before anything is sent or done."""

from limpet.jobs.blocks import BlockRules
from limpet.jobs.extraction import Rule, Rules
from limpet.jobs.fetch import FetchJob
from limpet.jobs.fields import Job, normal_url, web_url
from limpet.jobs.headers import Headers
from limpet.jobs.render import RenderJob
from limpet.jobs.scrape import ScrapeJob, ScrapeManyJob
from limpet.jobs.session import SessionJob
from limpet.jobs.storing import IdempotencyKey, Store
from limpet.jobs.webhook import Hook, Webhook, WebhookJob

__all__ = [
    "BlockRules",
    "FetchJob",
    "Headers",
    "Hook",
    "IdempotencyKey",
    "Job",
    "RenderJob",
    "Rule",
    "Rules",
    "ScrapeJob",
    "ScrapeManyJob",
    "SessionJob",
    "Store",
    "Webhook",
    "WebhookJob",
    "normal_url",
    "web_url",
]
