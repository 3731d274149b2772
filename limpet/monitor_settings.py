"""What Flower's pages show of jobs and sessions; see `limpet.settings`."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class MonitorSettings(BaseSettings):
    """What people who look may see. Nothing here shows a password, cookie or header."""

    show_urls: Literal["host", "path", "query"] = Field(
        default="path",
        description="What Flower shows of the URLs of jobs and sessions: the host, "
        "also the path, or the query string of jobs too.",
    )
    show_bodies: bool = Field(
        default=False,
        description="Whether Flower shows what jobs send: their json, form and params.",
    )
    show_metadata: bool = Field(
        default=False,
        description="Whether Flower shows the values of sessions' metadata, not only "
        "their names; sealed ones never.",
    )
    flower_hosts: str = Field(
        default="",
        max_length=1000,
        description="Names under which Flower answers, besides localhost, while it has "
        "no login of its own: those of a proxy in front of it that asks for one.",
    )
