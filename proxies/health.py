"""What an answer, or none, says about the proxy it came through."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from limpet.settings import Settings


class Outcome(StrEnum):
    """How a request through a proxy ended, as far as the proxy is concerned."""

    OK = "ok"
    #: The proxy failed: it could not be reached, or could not reach the target.
    FAULT = "fault"
    #: The proxy refuses our user name and password.
    REFUSED = "refused"
    #: The target answered, and refuses this proxy.
    BLOCKED = "blocked"
    #: Nothing that says anything about the proxy.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test of a proxy went that no session made.

    *elapsed* is in seconds; *fault* is how much of a failure it was, if it was one: 0
    to 1. *token* is that of the turn it was made in, empty where a person wanted it.
    *exit* is the address that the site saw, empty if it did not say.
    """

    outcome: Outcome
    elapsed: float
    fault: float = 1.0
    token: str = ""
    exit: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a proxy stands after a test; *state* is empty when there is no such proxy.

    *exit_changed*: it has sessions, which sites see at another address now.
    """

    state: str
    exit_changed: bool


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When a proxy is rested. Times are in seconds.

    After *max_failures* in a row, or with a success rate under one half, it cools down
    for *cooldown*, twice as long each time. *alpha* is the weight of the newest request
    in the average response time; *window* is what recent counts look back on.
    """

    max_failures: int = 3
    cooldown: float = 30
    alpha: float = 0.2
    window: float = 300

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            max_failures=settings.proxy_max_failures,
            cooldown=settings.proxy_cooldown_seconds,
            alpha=settings.proxy_ema_alpha,
            window=settings.proxy_window_seconds,
        )
