"""Every error raised on purpose.

LimpetError
├── ConfigurationError      the environment does not describe a runnable system
├── InvalidProxy            a proxy's URL cannot be used as written
├── InvalidSelection        a filter or a strategy that cannot be
├── InvalidPolicy           a session's policy that cannot be
├── InvalidArgument         a method was given what cannot be
├── InvalidExport           a file of sessions that was changed, or is none
├── StateUnreadable         what is stored of a session is damaged, or too new
├── StoreUnavailable        Redis did not answer, or refused
│   ├── SessionStoreError   it failed the clean-up of sessions, again and again
│   └── StoreDamaged        it answers, and a key holds what cannot be
├── SessionCleanupError     the clean-up of sessions breaks, though Redis is there
├── ScriptFailed            a script broke inside Redis; another try breaks it again
├── ArtifactLost            a body that was kept is not there any more, or damaged
├── ArtifactTooLarge        a body is larger than what may be kept
├── NoProxyAvailable        no proxy that fits may be used now, or there is none
├── PoolFull                the pool has as many sessions as it may
├── SessionError
│   ├── SessionBusy         the session cannot be leased yet
│   ├── SessionLost         the session may not go on without its proxy
│   ├── LeaseLost           the lease ended before its holder was done
│   ├── StateConflict       the session's state is another one by now
│   └── StateTooLarge       the session's state outgrew what one session may keep
├── DomainBusy              a site's limit is reached, or it asked for a pause
├── RobotsRefused           the site's robots.txt allows no robot of ours there
├── ExtractionFailed        the page does not give what the rules want
├── JobUnfinished           who waits for a job has waited long enough
├── ResultLost              a job is done, and its result is not kept any more
├── NoSuchBatch             nothing is known of a batch
├── WorkerExhausted         a worker has no sockets or threads left for now
├── NoBrowser               this worker has no browser for a job that needs one
├── BrowserFailed           a browser, or a page in it, ended in the middle of a job
├── StepFailed              a step of a job in a browser could not be done
├── AddressRefused          a URL leads to where no job may go
├── FetchError              a page could not be fetched, and who is to blame
└── JobError                how a job ends when it fails; text only
    ├── InvalidJob          the arguments do not describe a job
    ├── JobFailed           every try was used up
    └── JobCancelled        somebody did not want it any more

Arguments go to ``Exception.__init__`` as they came and the text is made in
``__str__``: that is what lets an error keep its class and fields through
pickle and through Celery's JSON results. A `JobError` crosses to apps that have
none of our code, where Celery shows the arguments alone: so it has one, the text.
"""

from limpet.errors.base import (
    ArtifactLost,
    ArtifactTooLarge,
    ConfigurationError,
    InvalidArgument,
    InvalidExport,
    InvalidPolicy,
    InvalidProxy,
    InvalidSelection,
    LimpetError,
    ScriptFailed,
    StoreDamaged,
    StoreUnavailable,
)
from limpet.errors.fetching import (
    AddressRefused,
    Blame,
    DomainBusy,
    ExtractionFailed,
    FetchError,
    RobotsRefused,
    WorkerExhausted,
)
from limpet.errors.jobs import (
    InvalidJob,
    JobCancelled,
    JobError,
    JobFailed,
    JobUnfinished,
    NoSuchBatch,
    ResultLost,
)
from limpet.errors.rendering import BrowserFailed, NoBrowser, StepFailed
from limpet.errors.sessions import (
    LeaseLost,
    NoProxyAvailable,
    PoolFull,
    SessionBusy,
    SessionCleanupError,
    SessionError,
    SessionLost,
    SessionStoreError,
    StateConflict,
    StateTooLarge,
    StateUnreadable,
)

__all__ = [
    "AddressRefused",
    "ArtifactLost",
    "ArtifactTooLarge",
    "Blame",
    "BrowserFailed",
    "ConfigurationError",
    "DomainBusy",
    "ExtractionFailed",
    "FetchError",
    "InvalidArgument",
    "InvalidExport",
    "InvalidJob",
    "InvalidPolicy",
    "InvalidProxy",
    "InvalidSelection",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobUnfinished",
    "LeaseLost",
    "LimpetError",
    "NoBrowser",
    "NoProxyAvailable",
    "NoSuchBatch",
    "PoolFull",
    "ResultLost",
    "RobotsRefused",
    "ScriptFailed",
    "SessionBusy",
    "SessionCleanupError",
    "SessionError",
    "SessionLost",
    "SessionStoreError",
    "StateConflict",
    "StateTooLarge",
    "StateUnreadable",
    "StepFailed",
    "StoreDamaged",
    "StoreUnavailable",
    "WorkerExhausted",
]
