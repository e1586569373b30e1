"""provmat.Producer: options, logging, forks and the end of the process around the class that is written in C.

Thread rule: everything here may be called by any thread at any time. The library's own thread never comes here: what it
has to tell waits until the next call (`_log_news`).
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

from . import _native
from ._context import current_job
from ._plain import error_fields, error_text, plain

logger = logging.getLogger("provmat")

_OUTBOX_MODES = {"auto": 0, "always": 1}
_OUTBOX_SYNCS = {"none": 0, "interval": 1, "each": 2}
_LEVELS = {3: logging.ERROR, 4: logging.WARNING, 6: logging.INFO}
_OK, _DROPPED = 0, 2  # PROVMAT_OK, PROVMAT_EDROPPED

_open: weakref.WeakSet[Producer] = weakref.WeakSet()


class ConfigError(ValueError):
    """An option or a variable of the environment is wrong; the text names it, its value and what to do."""


class Counters(NamedTuple):
    """What became of the events of this process so far."""

    accepted: int  #: calls that returned True
    queued: int  #: waiting in memory now
    acknowledged: int  #: by the log; an event that was delivered twice counts once
    spooled: int  #: in the outbox now, not yet acknowledged
    rejected: int  #: broke a rule, or the log refuses this one
    dropped: int  #: found queue and outbox full; always 0 otherwise


class Producer(_native.Producer):
    """Says events. Every option may be left out; those that are None come from the environment or have a default.

    log: "kafka://HOST:PORT[,HOST:PORT...]/TOPIC" or "local:DIR"; else $PROVMAT_LOG, else "local:./provmat-data/log".
    job_id: of events that name none and are in no `provmat.job`; else $PROVMAT_JOB_ID.
    worker: of events that name none; else $PROVMAT_WORKER, else they have none.
    properties: librdkafka's, and schema.registry.url and ssl.ca.location, as for `provmat -X`.
    queue_bytes: memory for events that wait, 4 MiB to 1 GiB; default 24 MiB. Used when it is first needed.
    linger_ms: milliseconds that an event may wait for others to be appended with, 1 to 60,000; default 50.
    log_timeout_ms: milliseconds without an answer after which the log counts as away, 100 to 300,000; default 10,000.
    outbox: a directory of files that outlives the process, made when missing; else $PROVMAT_OUTBOX, else there is none.
    outbox_mode: "auto" (while the log is away, and when the queue is full) or "always" (every event, inside its call).
    outbox_sync: when the outbox is synced to the disk: "none" (when the system does), "interval" (every second) or "each".
    outbox_bytes: what this producer may leave in the outbox, from 1 MiB; default 1 GiB.
    exit_timeout: seconds that the end of the process, or of a producer that nobody closed, may wait for the log; default 5.

    Raises ConfigError, and nothing later. Connects to nothing yet. After fork the child goes on with a queue, counters and
    a thread of its own. With `with`, the producer is closed at the end of the block.
    """

    def __init__(self, log: str | os.PathLike[str] | None = None, *, job_id: str | None = None, worker: str | None = None,
                 properties: Mapping[str, object] | None = None, queue_bytes: int = 0, linger_ms: int = 0, log_timeout_ms: int = 0,
                 outbox: str | os.PathLike[str] | None = None, outbox_mode: str = "auto", outbox_sync: str = "none",
                 outbox_bytes: int = 0, exit_timeout: float = 5.0) -> None:
        self._told: set[int] = set()  # codes of refusals that were logged
        self._exit_timeout = _seconds("exit_timeout", exit_timeout)
        self.job_id = job_id or os.environ.get("PROVMAT_JOB_ID") or None  #: of events that name none
        try:
            super().__init__(current_job, plain, self.job_id, worker or os.environ.get("PROVMAT_WORKER") or None,
                             [f"{name}={_property(value)}" for name, value in (properties or {}).items()], _milliseconds(exit_timeout),
                             None if log is None else os.fspath(log), queue_bytes, linger_ms, log_timeout_ms,
                             None if outbox is None else os.fspath(outbox), _word("outbox_mode", outbox_mode, _OUTBOX_MODES),
                             _word("outbox_sync", outbox_sync, _OUTBOX_SYNCS), outbox_bytes)
        except ConfigError:
            raise
        except (TypeError, ValueError, OverflowError, UnicodeError) as error:
            raise ConfigError(str(error)) from None
        _open.add(self)

    # ---- events that are written otherwise than they are given ----

    def failed(self, result: str, /, *, error: Any = None, retryable: bool = False, **fields: Any) -> bool:
        """The job tried to make the result and failed.

        error: an exception, a text, a mapping of type, message and retryable, or an object with error_type and message.
        retryable: whether trying again may help.

        Other fields: those of the result and of every event, as of `computed`. Returns True when it was accepted; raises
        nothing.
        """
        try:
            told = error_fields(error, retryable)
        except Exception as broken:
            told = {"type": type(error).__name__, "message": f"an error without a text ({type(broken).__name__})", "retryable": retryable}
        return self._failed(result, error=told, **fields)

    def status(self, status: str, /, *, error: Any = None, **fields: Any) -> bool:
        """The job's state became "pending", "running", "succeeded", "partial", "failed" or "cancelled".

        error: an exception or a text. duration_us: int microseconds, or a timedelta. Other fields: those of every event, as
        of `computed`. Returns True when it was accepted; raises nothing.
        """
        try:
            told = error_text(error)
        except Exception:
            told = type(error).__name__
        return self._status(status, error=told, **fields)

    # ---- delivery ----

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits up to `timeout` seconds until every event that was accepted before is acknowledged by the log or written to the
        outbox. Returns whether all are; how many are not, and why, is logged."""
        return self._told_done(*self._flush(_milliseconds(timeout)))

    def close(self, timeout: float | None = None) -> bool:
        """Flushes, and ends the producer within the same time: `timeout` seconds, or those of exit_timeout. Returns whether
        nothing was lost; what was is logged. Events that are said later are refused. Closing again does nothing."""
        done = self._told_done(*self._close(_milliseconds(self._exit_timeout if timeout is None else timeout)))
        _open.discard(self)
        return done

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def counters(self) -> Counters:
        """What became of the events of this process so far; of a closed producer, those that it was closed with."""
        return Counters(*self._counters())

    @property
    def problem(self) -> str | None:
        """Why the log takes no events now, or why the last ones were dropped; None when nothing is known to be wrong."""
        return self._problem()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._is_open()

    def __repr__(self) -> str:
        return f"<provmat.Producer {'closed' if self.closed else 'open'}, {self.counters.accepted} events>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a producer belongs to one process; make another one there, or use provmat.configure in it")

    # ---- called from C ----

    def _begin(self) -> None:
        """Before the first event of a process: the children of multiprocessing leave without the functions of atexit."""
        processes = sys.modules.get("multiprocessing.process")
        if processes is not None and processes.parent_process() is not None:
            from multiprocessing import util
            util.Finalize(None, _close_all, exitpriority=-100)

    def _refused(self, code: int, kind: str, reason: str) -> None:
        if code == _DROPPED or code in self._told:  # the library itself tells once of what is dropped
            logger.debug("%s is not recorded: %s", kind, reason)
        else:
            self._told.add(code)
            logger.warning("%s is not recorded: %s (what else is refused is only counted)", kind, reason)

    def _log_news(self) -> None:
        while (item := self._news()) is not None:
            level, text = item
            logger.log(_LEVELS.get(level, logging.WARNING), "%s", text)

    # ---- the rest ----

    def _told_done(self, code: int, reason: str) -> bool:
        self._log_news()
        if code != _OK:
            logger.warning("%s", reason)
        return code == _OK

    def _forked(self) -> None:
        self._told = set()
        self._after_fork()


def _seconds(name: str, value: float) -> float:
    if not 0 <= value <= 86400:
        raise ConfigError(f"option {name}, {value!r}: it is 0 to 86,400 seconds")
    return value


def _milliseconds(seconds: float) -> int:
    return int(min(max(seconds, 0), 86400) * 1000)


def _word(name: str, value: str, words: Mapping[str, int]) -> int:
    if value not in words:
        raise ConfigError(f"option {name}, {value!r}: it is one of {', '.join(map(repr, words))}")
    return words[value]


def _property(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _close_all() -> None:
    """At the end of the process; each producer takes at most its exit_timeout."""
    for producer in list(_open):
        producer.close()


def _forked() -> None:
    for producer in list(_open):
        producer._forked()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
