"""Attribution for ModelOps without a change of its code: `attach` wraps the four methods of a ProvenanceStore.

What is taken for granted of a store: get_sim(task), put_sim(task, result), get_agg(task), put_agg(task, result); a put returns
the directory that it wrote, below `storage_dir`; `schema` has name, version, sim_path(**context) and agg_path(**context), whose
contexts come from `_sim_path_context(task)` and `_agg_path_context(task)`. A store that differs is served by `path_of`.

Nothing that goes wrong here reaches the simulation: what the store returns or raises is returned or raised as it is.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

from . import _default
from ._context import current_job
from ._native import bundle_digest, param_id
from ._producer import ConfigError, Producer, logger

METHODS = ("get_sim", "put_sim", "get_agg", "put_agg")
DIAGNOSTICS_BYTES_MAX = 64 << 10  # what an event may hold
SEEN_MAX = 50_000  # simulations that an attachment remembers, to name the inputs of aggregations
JOB_VARIABLES = ("PROVMAT_JOB_ID", "MODELOPS_JOB_ID")

PathOf = Callable[[str, Any], str]


def attach(store: Any, job_id: str | None = None, *, producer: Producer | None = None, path_of: PathOf | None = None,
           model_digest: str | None = None) -> Attachment:
    """From now on the store's hits become ResultReused and its puts ResultComputed; a result that holds an error, ResultFailed.

    store: the object whose methods are wrapped, in this process; other stores are not touched. Attaching again replaces
        the attachment. An attached store cannot be pickled: attach it where it is used.
    job_id: of all its events; else the job of `provmat.job` or of the running Dask task, else PROVMAT_JOB_ID or
        MODELOPS_JOB_ID in the task's `env`, else the producer's job, else MODELOPS_JOB_ID in the process's environment.
    producer: where the events go; else the default producer.
    path_of: (kind, task) -> path of the result below the store's root, for stores that are built otherwise.
    model_digest: of all its results, where it is known.

    Raises ConfigError when the store cannot be wrapped. The attachment can be ended by `detach`, or used in a `with`.
    """
    missing = [name for name in METHODS if not callable(getattr(store, name, None))]
    if missing:
        raise ConfigError(f"a {type(store).__name__} has no {missing[0]}(); attach a store with {', '.join(METHODS)}")
    if path_of is None and not (hasattr(store, "schema") and hasattr(store, "storage_dir")):
        raise ConfigError(f"a {type(store).__name__} has no schema and no storage_dir to tell paths from; give path_of")
    return Attachment(store, job_id, producer, path_of, model_digest)


class _Sim(NamedTuple):
    """What an aggregation inherits from the simulations that it was made from."""

    path: str
    entrypoint: str | None
    params: dict[str, Any]


class Attachment:
    """What `attach` returns."""

    def __init__(self, store: Any, job_id: str | None, producer: Producer | None, path_of: PathOf | None, model_digest: str | None) -> None:
        before = getattr(store, "__dict__", {}).get("_provmat_attachment")
        if before is not None:
            before.detach()
        self.store = store
        self.job_id = job_id
        self.events = 0  #: that were accepted
        self.failures = 0  #: hits and puts that could not be told; the first is logged
        self._producer = producer
        self._path_of = path_of
        self._model_digest = model_digest
        self._seen: OrderedDict[tuple[str, str], _Sim | None] = OrderedDict()
        self._lock = threading.Lock()
        if not hasattr(store, "__dict__"):
            raise ConfigError(f"the methods of a {type(store).__name__} cannot be replaced: its class has __slots__")
        self._before = {name: store.__dict__[name] for name in METHODS if name in store.__dict__}
        wrapped = {name: self._wrapped(name, getattr(store, name)) for name in METHODS}
        store.__dict__.update(wrapped, _provmat_attachment=self)

    def detach(self) -> None:
        """The store's own methods again. Doing it twice does nothing."""
        if self.store.__dict__.get("_provmat_attachment") is not self:
            return
        for name in (*METHODS, "_provmat_attachment"):
            self.store.__dict__.pop(name, None)
        self.store.__dict__.update(self._before)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.detach()

    # ---- the four methods ----

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        kind = name[-3:]
        if name.startswith("get"):
            @functools.wraps(original)
            def get(task: Any, *args: Any, **kwargs: Any) -> Any:
                result = original(task, *args, **kwargs)
                if result is not None:
                    self._quietly(self._tell_reused, kind, task, result)
                return result
            return get

        @functools.wraps(original)
        def put(task: Any, result: Any, *args: Any, **kwargs: Any) -> Any:
            where = original(task, result, *args, **kwargs)
            self._quietly(self._tell_computed, kind, task, result, where)
            return where
        return put

    def _quietly(self, tell: Callable[..., bool], *args: Any) -> None:
        try:
            told = tell(*args)
        except Exception as error:
            told = False
            if self.failures == 0:
                logger.warning("a %s of the store is not recorded: %s: %s", args[0], type(error).__name__, error)
        with self._lock:
            self.events += told
            self.failures += not told

    def _tell_computed(self, kind: str, task: Any, result: Any, where: Any) -> bool:
        path = self._path(kind, task, where)
        said = self._said(kind, task, result, path)
        if getattr(result, "error", None) is not None:
            return self._say("failed", path, error=result.error, **said)
        more = self._agg_contents(task, result) if kind == "agg" else {"task_id": getattr(result, "task_id", None)}
        return self._say("computed", path, outputs=_outputs(result), **more, **said)

    def _tell_reused(self, kind: str, task: Any, result: Any) -> bool:
        path = self._path(kind, task, None)
        said = self._said(kind, task, result, path)
        if getattr(result, "error", None) is not None:
            return self._say("failed", path, error=result.error, **said)
        if kind == "agg":
            said |= {"loss": getattr(result, "loss", None), "n_replicates": getattr(result, "n_replicates", None)}
        return self._say("reused", path, source="local", outputs=_outputs(result) or None, stored_at=self._stored_at(path), **said)

    def _say(self, what: str, path: str, **fields: Any) -> bool:
        method: Callable[..., bool] = getattr(_default if self._producer is None else self._producer, what)
        return method(path, **fields)

    # ---- where and of which job ----

    def _path(self, kind: str, task: Any, where: Any) -> str:
        if self._path_of is not None:
            return self._path_of(kind, task)
        root = pathlib.Path(self.store.storage_dir)
        if isinstance(where, (str, os.PathLike)):
            return pathlib.Path(where).relative_to(root).as_posix()
        context = getattr(self.store, f"_{kind}_path_context")(task)
        return str(getattr(self.store.schema, f"{kind}_path")(**context))

    def _job(self, task: Any) -> str | None:
        job_id = self.job_id or current_job()
        if job_id is None and isinstance(env := getattr(task, "env", None), Mapping):
            job_id = next((env[name] for name in JOB_VARIABLES if env.get(name)), None)
        if job_id is None and not _default.job_id(self._producer):
            job_id = os.environ.get("MODELOPS_JOB_ID") or None
        return job_id

    # ---- what the result is ----

    def _said(self, kind: str, task: Any, result: Any, path: str) -> dict[str, Any]:
        schema = getattr(self.store, "schema", None)
        said = {"kind": kind, "job_id": self._job(task), "schema": getattr(schema, "name", None),
                "schema_version": getattr(schema, "version", None), "model_digest": self._model_digest,
                **_bundle(getattr(task, "bundle_ref", None))}
        if kind == "agg":
            return said | self._agg_identity(task, result)
        said |= {"entrypoint": _text(getattr(task, "entrypoint", None)), "seed": getattr(task, "seed", None), **_params(task.params)}
        self._remember(task, result, _Sim(path, said["entrypoint"], {name: said[name] for name in ("params", "param_id") if name in said}))
        return said

    def _agg_identity(self, task: Any, result: Any) -> dict[str, Any]:
        said = {"target": _text(getattr(task, "target_entrypoint", None)), "aggregation_id": getattr(result, "aggregation_id", None)}
        sims = self._inputs(task)
        if sims and all(sim.params == sims[0].params for sim in sims):
            said |= sims[0].params
        if sims and all(sim.entrypoint == sims[0].entrypoint for sim in sims):
            said["entrypoint"] = sims[0].entrypoint
        return said

    def _agg_contents(self, task: Any, result: Any) -> dict[str, Any]:
        diagnostics = dict(getattr(result, "diagnostics", None) or {})
        losses = diagnostics.get("per_replicate_losses")
        sims = self._inputs(task)
        return {"loss": getattr(result, "loss", None), "n_replicates": getattr(result, "n_replicates", None),
                "diagnostics": diagnostics if _fits(diagnostics) else None,
                "replicate_losses": losses if isinstance(losses, (list, tuple)) else None,
                "input_task_ids": [sim.task_id for sim in getattr(task, "sim_returns", ())] or None,
                "inputs": [sim.path for sim in sims] if sims else None}

    def _remember(self, task: Any, result: Any, sim: _Sim) -> None:
        key = (str(task.bundle_ref), str(getattr(result, "task_id", "")))
        with self._lock:
            # Task ids are no names: scenarios of one model share them. Two simulations under one id are none.
            known = self._seen.get(key, sim)
            self._seen[key] = sim if known == sim else None
            self._seen.move_to_end(key)
            while len(self._seen) > SEEN_MAX:
                self._seen.popitem(last=False)

    def _inputs(self, task: Any) -> list[_Sim]:
        """The simulations behind an aggregation, if all of them passed here and none is in doubt."""
        bundle = str(getattr(task, "bundle_ref", ""))
        with self._lock:
            found = [self._seen.get((bundle, str(sim.task_id))) for sim in getattr(task, "sim_returns", ())]
        sims = [sim for sim in found if sim is not None]
        return sims if len(sims) == len(found) else []

    def _stored_at(self, path: str) -> str | None:
        """When the copy that was hit was written, as the store noted it."""
        root = getattr(self.store, "storage_dir", None)
        if root is None:
            return None
        try:
            return str(json.loads(pathlib.Path(root, path, "metadata.json").read_bytes())["timestamp"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _outputs(result: Any) -> list[dict[str, Any]]:
    outputs = getattr(result, "outputs", None) or {}
    return [{"name": name, "size": output.size, "checksum": output.checksum} for name, output in outputs.items()]


def _bundle(reference: Any) -> dict[str, str]:
    """The reference, if it names a digest: the store takes forms that no index could compare."""
    try:
        bundle_digest(reference)
    except (TypeError, ValueError):
        return {}
    return {"bundle_ref": reference}


def _params(given: Any) -> dict[str, Any]:
    """The parameters, or the id alone when it is not theirs (the store goes by the id) or they have no canonical form."""
    known = getattr(given, "param_id", None)
    params = getattr(given, "params", given)
    try:
        if known is None or param_id(params) == known:
            return {"params": dict(params)}
    except (TypeError, ValueError):
        pass
    return {} if known is None else {"param_id": str(known)}


def _fits(diagnostics: dict[str, Any]) -> bool:
    try:
        return len(json.dumps(diagnostics, ensure_ascii=False, allow_nan=False).encode()) <= DIAGNOSTICS_BYTES_MAX
    except (TypeError, ValueError):
        return False
