"""A stand-in for a ModelOps-style ProvenanceStore, its tasks and results: what the wrapped interface looks like, and no more."""

import dataclasses
import hashlib
import json
import pathlib
import types

import provmat

BUNDLE = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"


class ParameterSet:
    def __init__(self, params, param_id=None):
        self.params = types.MappingProxyType(params)
        self.param_id = param_id or provmat.param_id(params)


@dataclasses.dataclass(frozen=True)
class SimTask:
    params: ParameterSet
    seed: int
    bundle_ref: str = BUNDLE
    entrypoint: str = "models.seir/baseline"
    outputs: tuple | None = None
    env: dict | None = None


@dataclasses.dataclass(frozen=True)
class Artifact:
    inline: bytes

    @property
    def size(self):
        return len(self.inline)

    @property
    def checksum(self):
        return hashlib.blake2b(self.inline, digest_size=32).hexdigest()


@dataclasses.dataclass(frozen=True)
class ErrorInfo:
    error_type: str
    message: str
    retryable: bool


@dataclasses.dataclass(frozen=True)
class SimReturn:
    task_id: str
    outputs: dict
    error: ErrorInfo | None = None
    cached: bool = False


@dataclasses.dataclass(frozen=True)
class AggTask:
    target_entrypoint: str
    sim_returns: list
    bundle_ref: str = BUNDLE
    env: dict | None = None

    def aggregation_id(self):
        text = f"{self.target_entrypoint}:{','.join(sorted(sim.task_id for sim in self.sim_returns))}"
        return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class AggReturn:
    aggregation_id: str
    loss: float
    diagnostics: dict
    n_replicates: int
    outputs: dict = dataclasses.field(default_factory=dict)


class Schema:
    name, version = "token", 1

    def sim_path(self, bundle, param_id, seed):
        return f"token/v1/sims/{bundle}/{param_id[:2]}/params_{param_id[:8]}/seed_{seed}"

    def agg_path(self, bundle, target, aggregation_id):
        return f"token/v1/aggs/{bundle}/target_{target.replace('/', '_')}/agg_{aggregation_id}"


class Store:
    """Results as two JSON files and artifacts in a directory each."""

    def __init__(self, storage_dir):
        self.storage_dir = pathlib.Path(storage_dir)
        self.schema = Schema()
        self.calls = []

    def _sim_path_context(self, task):
        return {"bundle": task.bundle_ref.rpartition(":")[2][:12], "param_id": task.params.param_id, "seed": task.seed}

    def _agg_path_context(self, task):
        return {"bundle": task.bundle_ref.rpartition(":")[2][:12], "target": task.target_entrypoint,
                "aggregation_id": task.aggregation_id()}

    def get_sim(self, task):
        self.calls.append("get_sim")
        folder = self.storage_dir / self.schema.sim_path(**self._sim_path_context(task))
        if not (folder / "result.json").exists():
            return None
        result = json.loads((folder / "result.json").read_text())
        error = result.get("error") and ErrorInfo(**result["error"])
        outputs = {name: Artifact((folder / name).read_bytes()) for name in result["outputs"]}
        return SimReturn(result["task_id"], outputs, error, cached=True)

    def put_sim(self, task, result):
        self.calls.append("put_sim")
        if result.task_id == "refused":
            raise OSError("the disk is full")
        folder = self.storage_dir / self.schema.sim_path(**self._sim_path_context(task))
        folder.mkdir(parents=True, exist_ok=True)
        for name, artifact in result.outputs.items():
            (folder / name).write_bytes(artifact.inline)
        (folder / "metadata.json").write_text(json.dumps({"timestamp": "2026-01-05T09:00:05.181161+00:00"}))
        (folder / "result.json").write_text(json.dumps({"task_id": result.task_id, "outputs": list(result.outputs),
                                                        "error": result.error and dataclasses.asdict(result.error)}))
        return str(folder)

    def get_agg(self, task):
        self.calls.append("get_agg")
        folder = self.storage_dir / self.schema.agg_path(**self._agg_path_context(task))
        return AggReturn(**json.loads((folder / "result.json").read_text())) if (folder / "result.json").exists() else None

    def put_agg(self, task, result):
        self.calls.append("put_agg")
        folder = self.storage_dir / self.schema.agg_path(**self._agg_path_context(task))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metadata.json").write_text(json.dumps({"timestamp": "2026-01-05T09:00:06Z"}))
        (folder / "result.json").write_text(json.dumps({"aggregation_id": result.aggregation_id, "loss": result.loss,
                                                        "diagnostics": result.diagnostics, "n_replicates": result.n_replicates}))
        return str(folder)


def worker_task_id(task):
    """As the workers name them: neither bundle nor scenario is in it."""
    return hashlib.blake2b(f"{task.params.param_id[:16]}-{task.seed}-prevalence".encode(), digest_size=32).hexdigest()


def run_sim(store, task):
    """What a worker does with a task."""
    found = store.get_sim(task)
    if found is not None:
        return found
    result = SimReturn(worker_task_id(task), {"prevalence": Artifact(f"{task.params.param_id} {task.seed}".encode())})
    store.put_sim(task, result)
    return result


def run_agg(store, target, sims, **more):
    task = AggTask(target, sims, **more)
    found = store.get_agg(task)
    if found is not None:
        return found
    losses = [float(len(sim.outputs["prevalence"].inline)) for sim in sims]
    result = AggReturn(task.aggregation_id(), sum(losses) / len(losses), {"per_replicate_losses": losses, "weight": 1.0}, len(sims))
    store.put_agg(task, result)
    return result
