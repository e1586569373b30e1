from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, TypedDict

from typing_extensions import Required, Unpack

version: str

Time = datetime | str | int
"""An aware datetime, an RFC 3339 text, or microseconds since 1970."""
Parameter = bool | int | float | str

class Output(TypedDict):
    name: str
    size: int
    """Bytes."""
    checksum: str

class _Event(TypedDict, total=False):
    worker: str | None
    occurred_at: Time | None
    event_id: str | None

class _OfJob(_Event, total=False):
    job_id: str | None

class _Result(TypedDict, total=False):
    kind: Required[Literal["sim", "agg"]]
    schema: str | None
    schema_version: int | None
    bundle_ref: str | None
    bundle_digest: str | None
    model_digest: str | None
    entrypoint: str | None
    params: Mapping[str, Parameter] | None
    param_id: str | None
    seed: int | str | None
    target: str | None
    target_digest: str | None
    aggregation_id: str | None

class _Discovered(_Result, _Event, total=False):
    loss: float | None
    n_replicates: int | None
    task_id: str | None
    outputs: Sequence[Output] | None
    inputs: Sequence[str] | None
    input_task_ids: Sequence[str] | None
    replicate_losses: Sequence[float] | None
    diagnostics: Mapping[str, Any] | None
    duration_us: int | timedelta | None
    env_digest: str | None

class _Computed(_Discovered, _OfJob, total=False): ...

class _Reused(_Result, _OfJob, total=False):
    source: Literal["local", "remote", "scheduler", "job"] | None
    stored_at: Time | None
    loss: float | None
    n_replicates: int | None
    outputs: Sequence[Output] | None

class _Deleted(_OfJob, total=False):
    reason: str | None

class _Submitted(_OfJob, total=False):
    job_type: str | None
    bundle_ref: str | None
    bundle_digest: str | None
    entrypoint: str | None
    targets: Sequence[str] | None
    parents: Sequence[str] | None
    definition_hash: str | None
    input_hash: str | None
    inputs: Mapping[str, Any] | None
    provider_id: str | None
    provider_model: str | None
    user: str | None
    rerun_of: str | None
    metadata: Mapping[str, Any] | None

class Producer:
    def __init__(self, find_job: Callable[[], str | None], plain: Callable[[Any], Any], job_id: str | None, worker: str | None,
                 properties: list[str], exit_ms: int, log: str | None, queue_bytes: int, linger_ms: int, log_timeout_ms: int,
                 outbox: str | None, outbox_mode: int, outbox_sync: int, outbox_bytes: int) -> None: ...
    def computed(self, result: str | PathLike[str], /, **fields: Unpack[_Computed]) -> bool: ...
    def discovered(self, result: str | PathLike[str], /, **fields: Unpack[_Discovered]) -> bool: ...
    def reused(self, result: str | PathLike[str], /, **fields: Unpack[_Reused]) -> bool: ...
    def expected(self, results: Sequence[str], /, **fields: Unpack[_OfJob]) -> bool: ...
    def deleted(self, result: str | PathLike[str], /, **fields: Unpack[_Deleted]) -> bool: ...
    def submitted(self, job_id: str | None = None, /, **fields: Unpack[_Submitted]) -> bool: ...
    def _failed(self, result: str, /, **fields: Any) -> bool: ...
    def _status(self, status: str, /, **fields: Any) -> bool: ...
    def _flush(self, timeout_ms: int, /) -> tuple[int, str]: ...
    def _close(self, timeout_ms: int, /) -> tuple[int, str]: ...
    def _counters(self) -> tuple[int, int, int, int, int, int]: ...
    def _problem(self) -> str | None: ...
    def _news(self) -> tuple[int, str] | None: ...
    def _is_open(self) -> bool: ...
    def _after_fork(self) -> None: ...

def canonical_json(params: Mapping[str, Parameter], /) -> str: ...
def param_id(params: Mapping[str, Parameter], /) -> str: ...
def bundle_digest(bundle_ref: str, /) -> str: ...
def aggregation_id(target: str, task_ids: tuple[str, ...], /) -> str: ...

_Store = object
_Failure = tuple[int, str]
_Stored = tuple[int, str, str, int, str | None, str | None, float | None, int | None, int | None, list[tuple[str, str, int, str]],
                str | None, str | None]
_Identity = tuple[str | None, ...]

def store_open(root: str, schema: str | None, schema_files: tuple[str, ...], /) -> _Store | _Failure: ...
def store_put(store: _Store, identity: _Identity, task_id: str | None, input_task_ids: tuple[str, ...], loss: float | None,
              n_replicates: int, diagnostics: str | None, occurred_at: int,
              artifacts: tuple[tuple[str, str | None, bytes | None, bool], ...], repair: bool, /) -> _Stored | _Failure: ...
def store_get(store: _Store, identity: _Identity, to: str | None, link: bool, /) -> _Stored | _Failure: ...
