"""provmat.Store: what a worker in Python puts and gets, and what the log hears of it."""

import json
import os
import pathlib
import pickle
import threading
from datetime import datetime, timezone

import provmat
import pytest

REF = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
SIM = {"bundle_ref": REF, "entrypoint": "models.seir/baseline", "params": {"beta": 0.5, "n": 3, "on": True, "name": "é"}, "seed": 2**64 - 1}
AGG = {"bundle_ref": REF, "target": "targets/cases", "input_task_ids": ["b57b", "a000"]}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def producer(log):
    with provmat.Producer(log.url, job_id="job-1") as made:
        yield made


@pytest.fixture
def store(root, producer):
    return provmat.Store(root, producer=producer)


def scan(log, root):
    return log.program("store", "scan", str(root))


def test_a_worker(store, log, producer, root, tmp_path):
    assert store.get("sim", **SIM) is None
    table = tmp_path / "table.arrow"
    table.write_bytes(b"a table")
    with provmat.job("job-2"):
        put = store.put("sim", {"table": table, "metadata": b"{}"}, **SIM, duration_us=5)
    assert put.outcome == "stored" and put.told and put.path.endswith("/seed_18446744073709551615")
    assert pathlib.Path(put.files["table"].file).read_bytes() == b"a table" and put.files["metadata"].file.endswith(".json")
    hit = store.get("sim", **SIM, source="remote")
    assert hit.told and hit.path == put.path and hit.files == put.files and hit.task_id == put.task_id
    assert hit.metadata["params"] == SIM["params"] and hit.metadata["seed"] == SIM["seed"] and hit.result["task_id"] == put.task_id
    assert producer.flush()
    computed, reused = log.events()
    assert (computed["type"], computed["job_id"], computed["duration_us"]) == ("ResultComputed", "job-2", 5)
    assert (reused["type"], reused["job_id"], reused["source"]) == ("ResultReused", "job-1", "remote")
    for event in (computed, reused):
        assert event["result"] == put.path and event["params"] == SIM["params"] and event["seed"] == str(2**64 - 1)
        assert (event["schema"], event["schema_version"]) == ("token", 1)
        assert {output["name"]: output["checksum"] for output in event["outputs"]} == {
            file.name: file.checksum for file in put.files.values()}
    assert computed["task_id"] == put.task_id and reused["stored_at"] == computed["occurred_at"]
    assert hit.stored_at == datetime.fromisoformat(computed["occurred_at"].replace("Z", "+00:00"))
    assert scan(log, root) == ""
    assert log.rows("conflicts") == []


def test_an_aggregation(store, log, producer, root):
    more = {"loss": 0.25, "n_replicates": 2, "diagnostics": {"per_replicate_losses": [0.2, 0.3]}}
    at = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)
    put = store.put("agg", **AGG, **more, occurred_at=at, inputs=["token/v1/sims/x"], replicate_losses=[0.2, 0.3])
    hit = store.get("agg", **AGG)
    assert (hit.loss, hit.n_replicates, hit.stored_at) == (0.25, 2, at) and hit.aggregation_id == put.aggregation_id
    assert hit.path == put.path and hit.files == {} and hit.result["diagnostics"] == more["diagnostics"]
    assert store.get("agg", bundle_ref=REF, target="targets/cases", aggregation_id=put.aggregation_id).path == put.path
    assert store.put("agg", **AGG, **more).outcome == "already"
    producer.flush()
    event = log.events()[0]
    assert event["loss"] == 0.25 and event["inputs"] == ["token/v1/sims/x"] and event["replicate_losses"] == [0.2, 0.3]
    assert event["aggregation_id"] == put.aggregation_id and event["occurred_at"].startswith("2026-01-05T09:00:00")
    assert scan(log, root) == ""


def test_conflicts_and_damage(store, log, producer, root):
    put = store.put("sim", {"table": b"1"}, **SIM)
    assert store.put("sim", {"table": b"1"}, **SIM).outcome == "already"
    with pytest.raises(provmat.ConflictError, match="nondeterminism"):
        store.put("sim", {"table": b"2"}, **SIM)
    other = {**SIM, "entrypoint": "models.seir/lockdown"}
    with pytest.raises(provmat.ConflictError, match="collision"):
        store.put("sim", {"table": b"1"}, **other)
    assert store.get("sim", **other) is None
    pathlib.Path(put.files["table"].file).write_bytes(b"?")
    with pytest.raises(provmat.DamagedError, match="artifact_table.arrow"):
        store.get("sim", **SIM)
    with pytest.raises(provmat.DamagedError, match="artifact_table.arrow"):
        store.put("sim", {"table": b"1"}, **SIM)
    assert store.put("sim", {"table": b"1"}, **SIM, repair=True).outcome == "repaired"
    producer.flush()
    assert len(log.events()) == 3  # two puts and the repair
    assert issubclass(provmat.ConflictError, provmat.StoreError) and scan(log, root) == ""


@pytest.mark.parametrize("change,error,word", [
    ({"seed": -1}, ValueError, "seed"),
    ({"seed": 2**64}, ValueError, "seed"),
    ({"seed": True}, TypeError, "seed"),
    ({"seed": 1.5}, TypeError, "integer"),
    ({"seed": None}, ValueError, "seed is missing"),
    ({"entrypoint": None}, ValueError, "entrypoint is missing"),
    ({"bundle_ref": "local://dev"}, ValueError, "bundle_ref"),
    ({"params": {"a": [1]}}, (TypeError, ValueError), None),
    ({"params": {"a": float("nan")}}, ValueError, None),
    ({"target": "x"}, ValueError, "target is given"),
    ({"entrypoint": "a\0b"}, ValueError, "null"),
])
def test_what_is_refused(store, root, log, change, error, word):
    with pytest.raises(error, match=word):
        store.put("sim", {"table": b""}, **{**SIM, **change})
    assert list(root.iterdir()) == [] and log.events() == []


def test_names_and_files_that_are_refused(store, root):
    for name in ("../x", "", "a\nb", "x" * 201):
        with pytest.raises(ValueError):
            store.put("sim", {name: b""}, **SIM)
    with pytest.raises(ValueError, match="(?i)no such file"):
        store.put("sim", {"table": root / "none"}, **SIM)
    with pytest.raises(ValueError, match="kind"):
        store.put("job", **SIM)
    assert list(root.iterdir()) == []


def test_options(tmp_path, root):
    with pytest.raises(provmat.ConfigError, match="none"):
        provmat.Store(tmp_path / "none")
    with pytest.raises(provmat.ConfigError, match="only read"):
        provmat.Store(root, schema="cache")
    with pytest.raises(provmat.ConfigError):
        provmat.Store(root, schema_files=[tmp_path / "none.json"])
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"name": "mine", "root": "x", "sim": "{param_id}/{seed}"}))
    store = provmat.Store(root, schema="mine", schema_files=[own], events=False)
    assert store.put("sim", **SIM).path.startswith("x/") and store.get("sim", **SIM).told is False
    assert str(root.resolve()) in repr(store) and "mine" in repr(store)


def test_copies(store, tmp_path):
    put = store.put("sim", {"table": b"abc"}, **SIM)
    hit = store.get("sim", **SIM, to=tmp_path / "out")
    assert pathlib.Path(hit.files["table"].file) == tmp_path / "out/artifact_table.arrow"
    assert pathlib.Path(hit.files["table"].file).read_bytes() == b"abc"
    linked = store.get("sim", **SIM, to=tmp_path / "links", link=True)
    assert os.path.samefile(linked.files["table"].file, put.files["table"].file)
    with pytest.raises(ValueError, match="LINK"):
        store.get("sim", **SIM, link=True)


def test_the_log_is_away(root, tmp_path, said):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the log should be")
    producer = provmat.Producer(f"local:{blocked}/log", job_id="job-1", exit_timeout=0)
    store = provmat.Store(root, producer=producer)
    assert store.put("sim", {"table": b"abc"}, **SIM).outcome == "stored"
    assert store.get("sim", **SIM).files["table"].size == 3
    assert producer.close() is False
    assert store.put("sim", {"table": b"abc"}, **SIM).told is False  # nothing takes it any more; the result is there


def test_the_default_producer(root, log, monkeypatch):
    monkeypatch.setenv("PROVMAT_LOG", log.url)
    store = provmat.Store(root)
    with provmat.job("job-7"):
        assert store.put("sim", **SIM).told
    assert provmat.close()
    assert [event["job_id"] for event in log.events()] == ["job-7"]


def test_threads(store, log, producer, root):
    outcomes = []

    def work(job):
        outcomes.append(store.put("sim", {"table": b"x" * 100000}, **SIM, job_id=job).outcome)

    threads = [threading.Thread(target=work, args=(f"job-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already"] * 7 + ["stored"]
    producer.flush()
    assert len({event["job_id"] for event in log.events()}) == 8 and scan(log, root) == ""


def test_pickling(store, root, tmp_path):
    with pytest.raises(TypeError, match="one process"):
        pickle.dumps(store)
    again = pickle.loads(pickle.dumps(provmat.Store(root, events=False)))
    assert again.put("sim", **SIM).outcome == "stored" and again.root == str(root.resolve())


def test_fork(store, root):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if store.put("sim", {"table": b"abc"}, **SIM).outcome == "stored" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert store.put("sim", {"table": b"abc"}, **SIM).outcome == "already"
