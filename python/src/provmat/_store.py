"""provmat.Store: results in a store, and the events that tell who computed and who reused them.

Thread rule: a store never changes after it was made; any thread may call it at any time.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, NamedTuple

from . import _default, _native
from ._plain import plain
from ._producer import ConfigError, Producer

Kind = Literal["sim", "agg"]
Content = bytes | bytearray | memoryview | str | os.PathLike[str]

_INVALID, _CONFIG, _NO_MEMORY, _MISS, _CONFLICT, _DAMAGED = 1, 3, 5, 16, 17, 18  # enum provmat_code, enum provmat_store_code
_OUTCOMES = {1: "stored", 2: "already", 3: "repaired"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class StoreError(Exception):
    """A result could not be stored or read; the text says which file and why."""


class ConflictError(StoreError):
    """Another result is stored under this path: the text says whether its identity or its content differs, and in what."""


class DamagedError(StoreError):
    """What is stored is half-written, or its bytes are not those that were recorded; the text names the file."""


class File(NamedTuple):
    """One output of a stored result: a file and what is known of it."""

    name: str
    file: str  #: in the store, where it is only to be read, or the copy that was asked for
    size: int  #: bytes
    checksum: str  #: BLAKE2b-256 of them, which they have been compared with


class Put(NamedTuple):
    """What `Store.put` has done: where the result is, and whether it is new."""

    path: str  #: of the result, from the store's root
    outcome: str  #: "stored", "already" (the same result was there) or "repaired"
    files: dict[str, File]  #: the outputs, by name
    task_id: str | None
    aggregation_id: str | None
    told: bool  #: the event was accepted


class Hit(NamedTuple):
    """What `Store.get` has found: the files of the result and what the store says of it."""

    path: str  #: of the result, from the store's root
    files: dict[str, File]  #: the outputs, by name
    loss: float | None
    n_replicates: int | None
    stored_at: datetime | None
    task_id: str | None
    aggregation_id: str | None
    metadata: dict[str, Any]  #: metadata.json
    result: dict[str, Any]  #: result.json
    told: bool  #: the event was accepted


class Store:
    """A store of results that says by itself what was computed and what was reused.

    root: the directory that holds token/, bundle/ ...; it must be there.
    schema: the layout, as `provmat path schemas` lists them; default "token".
    schema_files: files with schemas of one's own.
    producer: says the events; else the default producer, as of `provmat.computed`.
    events: False says none.

    Raises ConfigError. What is wrong with a result raises, unlike what is wrong with an event: a job must know whether its
    result is stored. The event goes out when the result is in place, or was found whole, and whatever becomes of it changes
    nothing of that.
    """

    def __init__(self, root: str | os.PathLike[str], *, schema: str = "token", schema_files: Sequence[str | os.PathLike[str]] = (),
                 producer: Producer | None = None, events: bool = True) -> None:
        self.root = os.path.realpath(root)
        self.schema = schema
        self._producer, self._events = producer, events
        self._made = (self.root, schema, tuple(os.fspath(file) for file in schema_files))
        self._open()

    def _open(self) -> None:
        store = _native.store_open(*self._made)
        if isinstance(store, tuple):
            raise ConfigError(store[1])
        self._store = store

    def put(self, kind: Kind, outputs: Mapping[str, Content] | None = None, /, *, bundle_ref: str | None = None,
            bundle_digest: str | None = None, model_digest: str | None = None, entrypoint: str | None = None,
            params: Mapping[str, Any] | None = None, param_id: str | None = None, seed: int | None = None, target: str | None = None,
            target_digest: str | None = None, aggregation_id: str | None = None, input_task_ids: Sequence[str] | None = None,
            task_id: str | None = None, loss: float | None = None, n_replicates: int | None = None,
            diagnostics: Mapping[str, Any] | None = None, occurred_at: datetime | int | None = None, repair: bool = False,
            **event: Any) -> Put:
        """Stores a result, whole or not at all, and says `computed`.

        kind: "sim" (known by bundle, entrypoint, params or param_id, and seed) or "agg" (known by bundle, target, and
            aggregation_id or input_task_ids, which it follows from). model_digest, target_digest, and entrypoint and params of
            an aggregation belong to its identity where they are known.
        outputs: name -> bytes, or the path of a file, which is read in pieces. A file that ends in .json, and an output that
            is called metadata, is stored as JSON; everything else as Arrow; neither is looked into.
        loss, n_replicates, diagnostics: kept with an aggregation; of a simulation in the event alone.
        occurred_at: an aware datetime, or microseconds since 1970; default now. It is also the stored timestamp.
        repair: replace what is stored when it is damaged, or an error. A whole result is never replaced.
        event: what else the event says: job_id, worker, inputs, replicate_losses, duration_us, env_digest.

        Raises ConflictError, DamagedError, StoreError (a full disk ...), ValueError and TypeError (an identity that breaks a
        rule); nothing is stored and no event is said then.
        """
        identity = _identity(kind, bundle_ref, bundle_digest, model_digest, entrypoint, params, param_id, seed, target, target_digest,
                             aggregation_id)
        given = {"loss": loss, "n_replicates": n_replicates, "diagnostics": diagnostics, "input_task_ids": input_task_ids}
        done = _native.store_put(self._store, identity, task_id, tuple(input_task_ids or ()), loss if loss is None else float(loss),
                                 n_replicates or 0, None if diagnostics is None else _json(diagnostics), _microseconds(occurred_at),
                                 tuple(_artifact(name, content) for name, content in (outputs or {}).items()), repair)
        if len(done) == 2:
            raise _error(*done)
        outcome, path, schema, version, made_task_id, made_aggregation_id, _, _, stored_at, files, _, _ = done
        by_name = {name: File(name, *rest) for name, *rest in files}
        at = stored_at if _OUTCOMES[outcome] != "already" else occurred_at
        told = self._events and self._say(
            "computed", path, schema=schema, schema_version=version, **_named(identity, made_aggregation_id, params), **given,
            task_id=made_task_id, outputs=_outputs(by_name), occurred_at=at, **event)
        return Put(path, _OUTCOMES[outcome], by_name, made_task_id, made_aggregation_id, told)

    def get(self, kind: Kind, /, *, bundle_ref: str | None = None, bundle_digest: str | None = None, model_digest: str | None = None,
            entrypoint: str | None = None, params: Mapping[str, Any] | None = None, param_id: str | None = None, seed: int | None = None,
            target: str | None = None, target_digest: str | None = None, aggregation_id: str | None = None,
            input_task_ids: Sequence[str] | None = None, to: str | os.PathLike[str] | None = None, link: bool = False,
            source: Literal["local", "remote", "scheduler", "job"] = "local", **event: Any) -> Hit | None:
        """Looks a result up by its identity (as of `put`), reads it whole, compares every checksum and says `reused`. None when
        it is a miss: nothing is stored, an error is, or the path holds another identity.

        to: copy the files into this directory, which is made when missing. link: hard links instead, which must not be
            written to.
        event: what else the event says: job_id, worker, occurred_at.

        Raises DamagedError, StoreError, ValueError and TypeError; no event is said then.
        """
        if aggregation_id is None and input_task_ids and target is not None:
            aggregation_id = _native.aggregation_id(target, tuple(input_task_ids))
        identity = _identity(kind, bundle_ref, bundle_digest, model_digest, entrypoint, params, param_id, seed, target, target_digest,
                             aggregation_id)
        found = _native.store_get(self._store, identity, None if to is None else os.fspath(to), link)
        if len(found) == 2:
            if found[0] == _MISS:
                return None
            raise _error(*found)
        _, path, schema, version, task_id, found_id, loss, n_replicates, stored_at, files, metadata, result = found
        by_name = {name: File(name, *rest) for name, *rest in files}
        told = self._events and self._say(
            "reused", path, schema=schema, schema_version=version, **_named(identity, found_id, params), source=source,
            stored_at=stored_at, loss=loss, n_replicates=n_replicates, outputs=_outputs(by_name), **event)
        at = None if stored_at is None else _EPOCH + timedelta(microseconds=stored_at)
        return Hit(path, by_name, loss, n_replicates, at, task_id, found_id, json.loads(metadata or "{}"), json.loads(result or "{}"), told)

    def _say(self, what: str, path: str, **fields: Any) -> bool:
        method = getattr(_default if self._producer is None else self._producer, what)
        return bool(method(path, **{name: value for name, value in fields.items() if value is not None}))

    def __repr__(self) -> str:
        return f"<provmat.Store {self.root!r}, {self.schema}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._producer is not None:
            raise TypeError("a store with a producer of its own belongs to one process; make another one there")
        return _made_again, (*self._made, self._events)


def _made_again(root: str, schema: str, schema_files: tuple[str, ...], events: bool) -> Store:
    return Store(root, schema=schema, schema_files=schema_files, events=events)


def _identity(kind: str, bundle_ref: str | None, bundle_digest: str | None, model_digest: str | None, entrypoint: str | None,
              params: Mapping[str, Any] | None, param_id: str | None, seed: int | None, target: str | None, target_digest: str | None,
              aggregation_id: str | None) -> tuple[str | None, ...]:
    if kind not in ("sim", "agg"):
        raise ValueError(f"kind is 'sim' or 'agg', not {kind!r}")
    if seed is not None:
        if isinstance(seed, bool):
            raise TypeError("a seed is an integer, not a bool")
        seed = operator.index(seed)
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"the seed {seed} is not within 0 to 2^64-1")
    canonical = None if params is None else _native.canonical_json(params)
    return (kind, bundle_ref, bundle_digest, model_digest, entrypoint, param_id, canonical, None if seed is None else str(seed), target,
            target_digest, aggregation_id)


_NAMES = ("kind", "bundle_ref", "bundle_digest", "model_digest", "entrypoint", "param_id", "params", "seed", "target", "target_digest",
          "aggregation_id")


def _named(identity: tuple[str | None, ...], aggregation_id: str | None, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The identity as fields of an event."""
    return {**dict(zip(_NAMES, identity)), "aggregation_id": aggregation_id, "params": params}


def _outputs(files: Mapping[str, File]) -> list[dict[str, Any]] | None:
    return [{"name": file.name, "size": file.size, "checksum": file.checksum} for file in files.values()] or None


def _artifact(name: str, content: Content) -> tuple[str, str | None, bytes | None, bool]:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return name, None, bytes(content), name == "metadata"
    file = os.fspath(content)
    return name, file, None, name == "metadata" or file.endswith(".json")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, allow_nan=False, default=plain)


def _microseconds(time: datetime | int | None) -> int:
    return 0 if time is None else int(plain(time)) if isinstance(time, datetime) else int(time)


def _error(code: int, text: str) -> Exception:
    if code == _CONFLICT:
        return ConflictError(text)
    if code == _DAMAGED:
        return DamagedError(text)
    if code in (_INVALID, _CONFIG):
        return ValueError(text)
    return MemoryError(text) if code == _NO_MEMORY else StoreError(text)
