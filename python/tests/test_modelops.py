"""modelops.attach: hits and puts of a store become events with the result's true path and identity, whatever the store is given."""

import os
import pickle

import provmat
import pytest
from provmat import modelops
from stand_in import (AggReturn, AggTask, Artifact, BUNDLE, ErrorInfo, ParameterSet, SimReturn, SimTask, Store, run_agg, run_sim,
                      worker_task_id)

PARAMS = {"beta": 0.5, "n": 1}
TARGET = "targets.prevalence:prevalence_target"
SIM = f"token/v1/sims/4f446dbc7bd0/{provmat.param_id(PARAMS)[:2]}/params_{provmat.param_id(PARAMS)[:8]}/seed_%d"


def sim(seed=1, **more):
    return SimTask(ParameterSet(PARAMS), seed, **more)


@pytest.fixture
def producer(log):
    with provmat.Producer(log.url) as producer:
        yield producer


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def said_by(producer, log):
    producer.flush()
    return log.events()


def without(event, *names):
    return {name: value for name, value in event.items() if name not in ("event_id", "occurred_at", *names)}


def test_put_and_hit(store, producer, log):
    with modelops.attach(store, "job-1", producer=producer, model_digest="sha256:76") as attachment:
        sims = [run_sim(store, sim(seed)) for seed in (1, 2)]
        agg = run_agg(store, TARGET, sims)
        attachment.job_id = "job-2"
        again = run_sim(store, sim(1))
        assert run_agg(store, TARGET, sims).loss == agg.loss
    assert again.cached and store.calls == ["get_sim", "put_sim", "get_sim", "put_sim", "get_agg", "put_agg", "get_sim", "get_agg"]
    assert (attachment.events, attachment.failures) == (5, 0)
    identity = {"schema": "token", "schema_version": 1, "bundle_ref": BUNDLE, "bundle_digest": BUNDLE[7:], "model_digest": "sha256:76",
                "entrypoint": "models.seir/baseline", "param_id": provmat.param_id(PARAMS), "params": PARAMS}
    outputs = [[{"name": "prevalence", "size": out.size, "checksum": out.checksum}] for out in (s.outputs["prevalence"] for s in sims)]
    agg_path = f"token/v1/aggs/4f446dbc7bd0/target_{TARGET}/agg_{agg.aggregation_id}"
    agg_identity = {"kind": "agg", "target": TARGET, "aggregation_id": agg.aggregation_id, **identity}
    events = said_by(producer, log)
    assert [without(event) for event in events] == [
        {"type": "ResultComputed", "job_id": "job-1", "result": SIM % 1, "kind": "sim", "seed": 1, "task_id": sims[0].task_id,
         "outputs": outputs[0], **identity},
        {"type": "ResultComputed", "job_id": "job-1", "result": SIM % 2, "kind": "sim", "seed": 2, "task_id": sims[1].task_id,
         "outputs": outputs[1], **identity},
        {"type": "ResultComputed", "job_id": "job-1", "result": agg_path, "loss": agg.loss, "n_replicates": 2,
         "diagnostics": agg.diagnostics,
         "replicate_losses": agg.diagnostics["per_replicate_losses"],
         "inputs": [SIM % 1, SIM % 2], "input_task_ids": [s.task_id for s in sims], "outputs": [], **agg_identity},
        {"type": "ResultReused", "job_id": "job-2", "result": SIM % 1, "kind": "sim", "seed": 1, "source": "local",
         "stored_at": "2026-01-05T09:00:05.181161Z", "outputs": outputs[0], **identity},
        {"type": "ResultReused", "job_id": "job-2", "result": agg_path, "source": "local",
         "stored_at": "2026-01-05T09:00:06.000000Z", "loss": agg.loss, "n_replicates": 2, **agg_identity},
    ]
    run_sim(store, sim(3))
    assert len(said_by(producer, log)) == 5, "detached"


def test_a_miss_and_a_refused_put_say_nothing(store, producer, log):
    attachment = modelops.attach(store, "job-1", producer=producer)
    assert store.get_sim(sim()) is None
    with pytest.raises(OSError, match="the disk is full"):
        store.put_sim(sim(), SimReturn("refused", {}))
    assert (attachment.events, attachment.failures, said_by(producer, log)) == (0, 0, [])


def test_a_result_that_holds_an_error_is_a_failure(store, producer, log):
    modelops.attach(store, "job-1", producer=producer)
    store.put_sim(sim(), SimReturn("t", {}, ErrorInfo("JSONRPCError", "Execution failed", True)))
    assert store.get_sim(sim()).error
    events = said_by(producer, log)
    assert [event["type"] for event in events] == ["ResultFailed"] * 2
    assert events[0]["error"] == {"type": "JSONRPCError", "message": "Execution failed", "retryable": True}


def test_a_false_hit_is_a_conflict(store, producer, log):
    """The store's path has no scenario: the second job gets the first one's result, and says what it believes to have got."""
    modelops.attach(store, "job-1", producer=producer)
    run_sim(store, sim())
    modelops.attach(store, "job-2", producer=producer)
    assert run_sim(store, sim(entrypoint="models.seir/lockdown")).cached
    said_by(producer, log)
    conflict, = log.rows("conflicts")
    assert (conflict["id"], conflict["class"], conflict["what"]) == (SIM % 1, "false_hit", "entrypoint")


def test_inputs_in_doubt_are_left_out(store, producer, log):
    """Task ids have no scenario in them; an aggregation of one that two simulations share names no inputs and no parameters."""
    modelops.attach(store, "job-1", producer=producer, path_of=lambda kind, task: f"{kind}/{getattr(task, 'entrypoint', 'agg')}")
    one = SimReturn(worker_task_id(sim()), {"prevalence": Artifact(b"1")})
    for entrypoint in ("m/baseline", "m/lockdown"):
        store.put_sim(sim(entrypoint=entrypoint), one)
    run_agg(store, TARGET, [one])
    agg = said_by(producer, log)[-1]
    assert agg["result"] == "agg/agg" and agg["input_task_ids"] == [one.task_id]
    assert not {"inputs", "params", "entrypoint"} & set(agg)


def test_inputs_that_other_workers_made_are_left_out(store, producer, log):
    modelops.attach(store, "job-1", producer=producer)
    here = run_sim(store, sim())
    run_agg(store, TARGET, [here, SimReturn("made elsewhere", {"prevalence": Artifact(b"1")})])
    agg = said_by(producer, log)[-1]
    assert agg["input_task_ids"] == [here.task_id, "made elsewhere"] and not {"inputs", "params", "param_id"} & set(agg)


IDENTITIES = {
    "another id": (SimTask(ParameterSet(PARAMS, "ab" * 32), 1), {"param_id", "bundle_ref", "bundle_digest"}),
    "no canonical form": (SimTask(ParameterSet({"x": None}, "ab" * 32), 1), {"param_id", "bundle_ref", "bundle_digest"}),
    "no digest": (sim(bundle_ref="local://dev"), {"param_id", "params"}),
    "a repository": (sim(bundle_ref="oci.example:5000/m@" + BUNDLE), {"param_id", "params", "bundle_ref", "bundle_digest"}),
}


@pytest.mark.parametrize("task,expected", IDENTITIES.values(), ids=IDENTITIES)
def test_what_does_not_fit_is_left_out(store, producer, log, task, expected):
    modelops.attach(store, "job-1", producer=producer)
    run_sim(store, task)
    event, = said_by(producer, log)
    assert {"param_id", "params", "bundle_ref", "bundle_digest"} & set(event) == expected


@pytest.mark.parametrize("diagnostics", [{"x": "y" * (64 << 10)}, {"x": float("nan")}, {"x": object()}], ids=["long", "nan", "object"])
def test_diagnostics_that_no_event_can_hold_are_left_out(store, producer, log, diagnostics):
    task = AggTask(TARGET, [SimReturn("t", {})])
    store.put_agg = lambda task, result: None
    with modelops.attach(store, "job-1", producer=producer):
        store.put_agg(task, AggReturn(task.aggregation_id(), 0.5, diagnostics, 1))
    event, = said_by(producer, log)
    assert event["result"] == f"token/v1/aggs/4f446dbc7bd0/target_{TARGET}/agg_{task.aggregation_id()}"
    assert event["loss"] == 0.5 and "diagnostics" not in event
    assert store.put_agg(None, None) is None, "what was there before is there again"


def test_whose_job_it_is(store, log, monkeypatch):
    def job_of(task, attached=None):
        before = len(log.events())
        modelops.attach(store, attached, producer=producer)
        store.put_sim(task, SimReturn("t", {}))
        producer.flush()
        events = log.events()
        return events[before]["job_id"] if len(events) > before else None

    with provmat.Producer(log.url) as producer:
        assert job_of(sim()) is None
        monkeypatch.setenv("MODELOPS_JOB_ID", "job-modelops")
        assert job_of(sim()) == "job-modelops"
    monkeypatch.setenv("PROVMAT_JOB_ID", "job-process")
    with provmat.Producer(log.url) as producer:
        assert job_of(sim()) == "job-process"
        assert job_of(sim(env={"MODELOPS_JOB_ID": "job-task"})) == "job-task"
        assert job_of(sim(env={"MODELOPS_JOB_ID": "job-task", "PROVMAT_JOB_ID": "job-own"})) == "job-own"
        with provmat.job("job-context"):
            assert job_of(sim(env={"MODELOPS_JOB_ID": "job-task"})) == "job-context"
            assert job_of(sim(env={"MODELOPS_JOB_ID": "job-task"}), "job-argument") == "job-argument"


def test_what_goes_wrong_stays_here(store, producer, log, said):
    def broken(kind, task):
        raise RuntimeError("no path")

    attachment = modelops.attach(store, "job-1", producer=producer, path_of=broken)
    run_sim(store, sim(1))
    assert run_sim(store, sim(1)).cached
    assert (attachment.events, attachment.failures) == (0, 2)
    assert said() == [("WARNING", "a sim of the store is not recorded: RuntimeError: no path")]


def test_attach_twice_counts_once(store, producer, log):
    modelops.attach(store, "job-1", producer=producer)
    second = modelops.attach(store, "job-2", producer=producer)
    run_sim(store, sim())
    assert [event["job_id"] for event in said_by(producer, log)] == ["job-2"]
    second.detach()
    second.detach()
    assert "get_sim" not in vars(store) and store.get_sim.__func__ is Store.get_sim
    pickle.dumps(store)


class Slots:
    __slots__ = ()
    get_sim = put_sim = get_agg = put_agg = schema = storage_dir = lambda self: None


@pytest.mark.parametrize("store,options,text", [
    (object(), {}, "has no get_sim()"), (Slots(), {}, "__slots__"),
    (type("Bare", (), {name: lambda self: None for name in modelops.METHODS})(), {}, "give path_of"),
])
def test_stores_that_cannot_be_wrapped(store, options, text):
    with pytest.raises(provmat.ConfigError, match=text.replace("(", r"\(").replace(")", r"\)")):
        modelops.attach(store, **options)


def test_the_default_producer_serves(store, log):
    modelops.attach(store, "job-1")
    try:
        provmat.configure(log=log.url)
        run_sim(store, sim())
    finally:
        provmat.close()
    assert [event["type"] for event in log.events()] == ["ResultComputed"]
    assert "PROVMAT_LOG" not in os.environ
