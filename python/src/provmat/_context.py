"""Which job the running code belongs to: a context variable, so each thread and each asyncio task has its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_job: ContextVar[str | None] = ContextVar("provmat_job", default=None)

# Asked in turn where no `job` is open; each gives a job id or None. Schedulers that know the job of a task add theirs.
finders: list[Callable[[], str | None]] = []


def current_job() -> str | None:
    """The job of `job`, else what a scheduler knows of the running task, else None."""
    job_id = _job.get()
    if job_id is not None or not finders:
        return job_id
    for find in finders:
        job_id = find()
        if job_id is not None:
            return job_id
    return None


@contextlib.contextmanager
def job(job_id: str, *, announce: bool = False) -> Iterator[str]:
    """Within the block, events that name no job are of this one; also usable as a decorator, and inside of coroutines.

    job_id: 1 to 256 bytes of UTF-8.
    announce: also say, with the default producer, that the job is running, and how it ended ("failed" when an exception
        leaves the block, which goes on its way). For whoever runs the whole job; workers that do a part of it leave it out.

    asyncio tasks inherit the job that was open when they were made. Threads do not (before Python 3.14): start them with
    contextvars.copy_context().run, or open the block inside.
    """
    from . import _default
    token = _job.set(job_id)
    try:
        if announce:
            _default.status("running")
        yield job_id
        if announce:
            _default.status("succeeded")
    except BaseException as error:
        if announce:
            _default.status("failed", error=error)
        raise
    finally:
        _job.reset(token)
