"""The producer of those who make none: of `configure`, else from the environment, at the first event."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from ._producer import ConfigError, Counters, Producer, logger

_P = ParamSpec("_P")
_producer: Producer | None = None
_broken = False  # the environment was tried, and it is wrong
_lock = threading.Lock()


def configure(**options: Any) -> Producer:
    """Makes the default producer with the options of provmat.Producer, and closes the one before. Raises ConfigError; the one
    before stays then."""
    global _producer, _broken
    new = Producer(**options)
    with _lock:
        old, _producer, _broken = _producer, new, False
    if old is not None:
        old.close()
    return new


def producer() -> Producer:
    """The default producer; it is made from the environment if there is none. Raises ConfigError."""
    global _producer
    with _lock:
        if _producer is None or _producer.closed:
            _producer = Producer()
        return _producer


def job_id(producer: Producer | None = None) -> str | None:
    """The job of events that name none, as the producer (None: the default one) knows it."""
    chosen = producer if producer is not None else _producer
    return os.environ.get("PROVMAT_JOB_ID") or None if chosen is None else chosen.job_id


def _of_environment() -> Producer | None:
    """As `producer`, for those who must not be hurt: what is wrong is logged once."""
    global _broken
    if _broken:
        return None
    try:
        return producer()
    except ConfigError as error:
        _broken = True
        logger.error("no event is recorded: %s", error)
        return None


def _forward(method: Callable[Concatenate[Producer, _P], bool]) -> Callable[_P, bool]:
    """The method, of the default producer."""
    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> bool:
        default = _producer if _producer is not None else _of_environment()
        return default is not None and method(default, *args, **kwargs)
    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    call.__module__, call.__qualname__ = __package__, call.__name__  # so that it can be pickled
    return call


computed = _forward(Producer.computed)
discovered = _forward(Producer.discovered)
reused = _forward(Producer.reused)
failed = _forward(Producer.failed)
expected = _forward(Producer.expected)
deleted = _forward(Producer.deleted)
submitted = _forward(Producer.submitted)
status = _forward(Producer.status)


def flush(timeout: float = 10.0) -> bool:
    """Producer.flush of the default producer; True when there is none yet."""
    return _producer is None or _producer.flush(timeout)


def close(timeout: float | None = None) -> bool:
    """Producer.close of the default producer; True when there is none. The next event makes another one from the environment."""
    global _producer
    with _lock:
        old, _producer = _producer, None
    return old is None or old.close(timeout)


def counters() -> Counters:
    """Producer.counters of the default producer; zeros when there is none yet."""
    return Counters(0, 0, 0, 0, 0, 0) if _producer is None else _producer.counters


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # it may have been held by a thread that is not here


os.register_at_fork(after_in_child=_after_fork)
