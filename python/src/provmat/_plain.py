"""What an event's field may be beside what JSON knows, and how it is written."""

from __future__ import annotations

import datetime
import enum
import os
from collections.abc import Mapping, Sequence
from typing import Any

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def plain(value: Any) -> Any:
    """The value as dict, list, str, int, float or bool; TypeError when it has no such form, ValueError when it is not clear."""
    if isinstance(value, datetime.datetime):
        if value.utcoffset() is None:
            raise ValueError(f"the time {value.isoformat()} has no time zone; use datetime.now(timezone.utc)")
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, datetime.timedelta):
        return value // _MICROSECOND
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    if hasattr(value, "tolist"):  # scalars and arrays of numpy and of those who follow it
        return value.tolist()
    raise TypeError(f"{value!r:.100} is of type {type(value).__name__}, which has no place in an event")


def error_fields(error: Any, retryable: bool) -> dict[str, Any]:
    """An exception, a text, or anything with error_type and message, as the field `error` of a failed result."""
    if isinstance(error, Mapping):
        return {"retryable": retryable, **error}
    if isinstance(error, BaseException):
        return {"type": type(error).__name__, "message": str(error), "retryable": retryable}
    if hasattr(error, "error_type") and hasattr(error, "message"):
        return {"type": str(error.error_type), "message": str(error.message), "retryable": bool(getattr(error, "retryable", retryable))}
    return {"type": "", "message": str(error), "retryable": retryable}


def error_text(error: Any) -> str | None:
    """The same as one line."""
    if error is None or isinstance(error, str):
        return error
    if isinstance(error, BaseException):
        text = str(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return str(error)
