"""What a session is called in SQL: its id, or what nobody can turn back into it."""

import hashlib
import hmac
from typing import Final, Self

from limpet.settings import Settings

#: Of 64 hexadecimal digits: enough that no two sessions of a history are alike.
_DIGITS: Final = 32


class Names:
    """Names of sessions, hashed under *key* if there is one.

    HMAC-SHA-256, since a plain hash of ``user-42`` is found by trying all numbers.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        secret = settings.history_hash_key
        return cls(secret.get_secret_value() if secret else "")

    @property
    def hashed(self) -> bool:
        return bool(self._key)

    def label(self, session_id: str) -> str:
        """Return the name that *session_id* has in SQL."""
        if not self._key:
            return session_id
        made = hmac.new(self._key, session_id.encode(), hashlib.sha256)
        return made.hexdigest()[:_DIGITS]
