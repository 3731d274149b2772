"""Dead letters on their way to SQL, and how many there have been."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, Final, cast

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.dead.letter import Letter
from limpet.keys import DEAD, DEAD_COUNTS
from limpet.scripts import Script

_BURY: Final = Script("limpet", "bury")
_SETTLE: Final = Script("limpet", "settle")
#: Letters that wait in Redis at most: where no beat runs, nobody moves them.
MOST: Final = 10_000


class DeadStore:
    """The letters that wait in the session Redis.

    Every method raises `StoreUnavailable` when Redis does not answer.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def bury(self, letter: Letter, *, most: int = MOST) -> bool:
        """Keep *letter*, unless *most* wait; of two with one id the later one stays.

        Returns whether it was kept.
        """
        args = [letter.id, letter.dump(), letter.reason.value, most]
        return bool(self._run(_BURY, [DEAD, DEAD_COUNTS], args))

    def waiting(self, most: int) -> list[tuple[Letter, bytes]]:
        """Return some *most* letters, each with what `settle` wants back."""
        try:
            found = cast("Any", self._client).hscan_iter(DEAD, count=100)
            texts = [bytes(text) for _, text in islice(found, most)]
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [(Letter.load(text), text) for text in texts]

    def settle(self, done: Sequence[tuple[Letter, bytes]]) -> None:
        """Forget letters that are in SQL by now."""
        if done:
            pairs = chain.from_iterable((letter.id, text) for letter, text in done)
            self._run(_SETTLE, [DEAD], list(pairs))

    def counts(self) -> dict[str, int]:
        """Return how many letters there have ever been, by reason."""
        try:
            found = cast("dict[bytes, bytes]", self._client.hgetall(DEAD_COUNTS))
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return {name.decode(): int(number) for name, number in found.items()}

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> object:
        try:
            return script(self._client, keys, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None
