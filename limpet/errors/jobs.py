"""How jobs end when they fail, and what an app that waits for one hears."""

from limpet.errors.base import LimpetError


class JobError(LimpetError):
    """How a job ends when it fails; its only argument is a text for people."""


class InvalidJob(JobError):
    """The arguments do not describe a job: which field, and what is allowed."""


class JobFailed(JobError):
    """Every try was used up; the text says what each one met."""


class JobUnfinished(LimpetError):
    """The job *job* was not done within *waited* seconds; *state* is its state then."""

    def __init__(self, job: str, state: str, waited: float) -> None:
        super().__init__(job, state, waited)
        self.job = job
        self.state = state
        self.waited = waited

    def __str__(self) -> str:
        why = {
            "PENDING": "no worker has begun it, or its result is not kept any more",
            "STARTED": "a worker is at it",
            "PROGRESS": "a worker is at it",
            "RETRY": "it waits to be tried again",
        }.get(self.state, "it is under way")
        return (
            f"job {self.job} is not done after {self.waited:.1f} s: {why} "
            f"({self.state})"
        )


class ResultLost(LimpetError):
    """The job *job* was done before, and what it brought is not kept any more."""

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        return f"job {self.job} is done, but its result is not kept any more"


class NoSuchBatch(LimpetError):
    """Nothing is known of the batch *batch*: there was none, or it is too old."""

    def __init__(self, batch: str) -> None:
        super().__init__(batch)
        self.batch = batch

    def __str__(self) -> str:
        return (
            f"there is no batch {self.batch!r}; batches are known for eight days, and "
            "where results are kept"
        )


class JobCancelled(JobError):
    """The job was cancelled before it was done, or expired before it was begun."""
