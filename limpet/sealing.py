"""Secrets at rest: sealed under ``LIMPET_STATE_KEYS``, plain where no key is set.

A sealed text says so itself. So keys can be set, added and retired while rows written
before are still there: whatever was sealed opens under any key of the list, and only
what is written anew is sealed under the first.
"""

import re
from collections.abc import Sequence
from typing import Final, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from limpet.errors import ConfigurationError
from limpet.settings import Settings

_VARIABLE: Final = "LIMPET_STATE_KEYS"
_PREFIX: Final = "sealed:"
#: Checked by ourselves: Fernet takes two keys without a comma for the first alone.
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")


class Sealer:
    """Seals under the first of its keys, opens under any of them.

    Raises:
        ConfigurationError: one of *keys* is no Fernet key; the text says which by its
            position.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        made = [_fernet(n, key) for n, key in enumerate(keys, start=1)]
        self._first = made[0] if made else None
        self._keys = MultiFernet(made) if made else None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the sealer that ``LIMPET_STATE_KEYS`` asks for.

        Raises:
            ConfigurationError: one of the keys is no Fernet key, or there is a comma
                and no key.
        """
        text = settings.state_keys.get_secret_value() if settings.state_keys else ""
        keys = [key.strip() for key in text.split(",") if key.strip()]
        if text.strip() and not keys:
            # Such as "$NEW,$OLD" of two that are not set: nothing would be sealed.
            raise ConfigurationError(f"{_VARIABLE}: there is no key in it")
        return cls(keys)

    @property
    def active(self) -> bool:
        """Whether there is a key to seal under."""
        return self._keys is not None

    def seal(self, text: str) -> str:
        """Return ``sealed:<token>``, or *text* itself when there is no key."""
        if not self.active:
            return text
        return _PREFIX + self.seal_bytes(text.encode()).decode()

    def open(self, text: str) -> str:
        """Return what was sealed; a text that is not sealed comes back as it is.

        Raises:
            ConfigurationError: it was sealed under a key that we do not have.
        """
        if not text.startswith(_PREFIX):
            return text
        return self.open_bytes(text.removeprefix(_PREFIX).encode()).decode()

    def seal_bytes(self, data: bytes) -> bytes:
        """Return *data* as a token, a third longer and without a mark of its own.

        Raises:
            ConfigurationError: there is no key; ask `active` first.
        """
        if self._keys is None:
            raise ConfigurationError(f"{_VARIABLE}: there is no key to seal with")
        return self._keys.encrypt(data)

    def newest(self, token: bytes) -> bool:
        """Whether *token* was sealed under the first key."""
        try:
            return self._first is not None and bool(self._first.decrypt(token))
        except InvalidToken:
            return False

    def open_bytes(self, token: bytes) -> bytes:
        """Return what *token* holds.

        Raises:
            ConfigurationError: it was sealed under a key that we do not have, or it
                was changed since.
        """
        try:
            if self._keys is not None:
                return self._keys.decrypt(token)
        except InvalidToken:
            pass  # a wrong key and a changed token look the same
        raise ConfigurationError(
            f"stored data was sealed with a key that {_VARIABLE} does not hold"
        )


def _fernet(number: int, key: str) -> Fernet:
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            f"{_VARIABLE}: key {number} is not 32 bytes in URL-safe base64; "
            "cryptography's Fernet.generate_key() makes one"
        )
    return Fernet(key)
