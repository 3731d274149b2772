"""What can be wrong anywhere: settings, files, stores."""


class LimpetError(Exception):
    """Base class, so that a caller can catch everything of ours at once."""


class ConfigurationError(LimpetError):
    """The environment does not describe a runnable system; one line an argument."""

    def __str__(self) -> str:
        return "; ".join(self.args)


class InvalidProxy(LimpetError):
    """A proxy cannot be used as written; the text never repeats the line."""


class _InvalidField(LimpetError):
    """*field* is not *wanted*."""

    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(field, wanted)
        self.field = field
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.field}: must be {self.wanted}"


class InvalidSelection(_InvalidField):
    """A filter or a strategy cannot be: which field, and what is allowed."""


class InvalidPolicy(_InvalidField):
    """A session cannot live like that: which field, and what is allowed."""


class InvalidArgument(_InvalidField, ValueError):
    """A method cannot work with what it was given: which argument, what is allowed."""


class InvalidExport(LimpetError):
    """A file of sessions cannot be read; nothing of it was restored."""


class StoreUnavailable(LimpetError):
    """Redis (or the broker) did not answer, or refused; *reason* has no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store did not do its work: {self.reason}"


class StoreDamaged(StoreUnavailable):
    """A key holds what cannot be: something else wrote to it; *reason* says what."""

    def __str__(self) -> str:
        return f"what is stored is damaged: {self.reason}"


class ScriptFailed(LimpetError):
    """A script broke inside Redis: a strategy of the user's own, or damaged data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            "a script failed in Redis, since a strategy of your own "
            "(LIMPET_STRATEGIES_DIR) is wrong, or what is stored there is damaged: "
            f"{self.reason}"
        )


class ArtifactLost(LimpetError):
    """The body *sha* is *what* (``missing`` or ``damaged``); no try brings it back."""

    def __init__(self, sha: str, what: str) -> None:
        super().__init__(sha, what)
        self.sha = sha
        self.what = what

    def __str__(self) -> str:
        return f"the body {self.sha} is {self.what}"


class ArtifactTooLarge(LimpetError):
    """A body of *size* bytes is over the *most* that may be kept; it was not."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(size, most)
        self.size = size
        self.most = most

    def __str__(self) -> str:
        return (
            f"a body of {self.size:,} bytes is over LIMPET_ARTIFACT_MAX_BYTES "
            f"({self.most:,}) and was not kept"
        )
