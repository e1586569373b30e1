"""`provmat id`: every id that the real code gave (tests/data/golden_ids.json), by every algorithm."""

import hashlib
import json

import pytest

from conftest import ROOT

GOLDEN = json.loads((ROOT / "tests/data/golden_ids.json").read_text())


def ids(provmat, *arguments):
    return {row["algorithm"]: row["id"] for row in provmat.json_rows("id", *arguments)}


def test_every_parameter_set(provmat):
    lines = [item["canonical_json"] for item in GOLDEN["param_ids"]]
    done = provmat("id", "params", "-", input="".join(line + "\n" for line in lines))
    rows = done.stdout.decode().split("\n")[:-1]  # some hold separators of lines that are none here
    assert [json.loads(row)["param_id"] for row in rows] == [item["param_id"] for item in GOLDEN["param_ids"]]
    for row, line in zip(rows, lines):
        assert f'"params":{line},' in row


def test_planned_seeds(provmat):
    for study in GOLDEN["study_seeds"]:
        row = provmat.json_rows("id", "params", json.dumps(study["params"]), "--replicates", len(study["planned_seeds"]))[0]
        assert (row["param_id"], row["seeds"]) == (study["param_id"], study["planned_seeds"])


@pytest.mark.parametrize("number", range(len(GOLDEN["sim_tasks"])))
def test_tasks(provmat, number):
    task = GOLDEN["sim_tasks"][number]
    outputs = [word for name in task["outputs"] or [] for word in ("--output", name)]
    found = ids(provmat, "task", "--param-id", task["param_id"], "--seed", task["seed"], "--bundle-ref", task["bundle_ref"],
                "--entrypoint", task["entrypoint"], *outputs)
    assert found == {"worker": task["worker_task_id"], "worker-error": task["worker_error_task_id"], "canonical": task["canonical_task_id"]}
    by_params = ids(provmat, "task", "--params", json.dumps(task["params"]), "--seed", task["seed"])
    assert by_params["worker-error"] == task["worker_error_task_id"] and "canonical" not in by_params


@pytest.mark.parametrize("number", range(len(GOLDEN["aggregations"])))
def test_aggregations(provmat, number):
    agg = GOLDEN["aggregations"][number]
    found = ids(provmat, "aggregation", "--target", agg["target"], "--params", '{"R0":2.5,"incubation_days":5}', *agg["task_ids"])
    assert found == {"store": agg["aggregation_id"], "paths": agg["utils_aggregation_id"], "manifest": agg["output_manifest_id"]}


def test_a_target_outside_ascii(provmat):
    target = "a.b:é\U0001f600\"\\\n\x7f"
    over = json.dumps({"param_id": "a" * 64, "replicate_count": 7, "target_id": target}, sort_keys=True)
    rows = provmat.json_rows("id", "aggregation", "--target", target, "--param-id", "a" * 64, "--replicates", 7, "x")
    row = next(row for row in rows if row["algorithm"] == "manifest")
    assert (row["over"], row["id"]) == (over, hashlib.sha256(over.encode()).hexdigest()[:16])


def test_bundles(provmat):
    for task in GOLDEN["sim_tasks"]:
        row = provmat.json_rows("id", "bundle", task["bundle_ref"], check=None)[0]
        assert row["bundle12"] == task["bundle12"]
        assert task["sim_path"]["token"].startswith(f"token/v1/sims/{row['store_segment']}/")
    reference = "sha256:" + "a" * 64
    row = provmat.json_rows("id", "bundle", reference)[0]
    assert (row["refhash_segment"], row["hashed_segment"], row["bundle_digest"]) == ("6724328b3e87", "b1e70fb5c59f", "a" * 64)
    done = provmat("id", "bundle", reference, "local://dev", check=6)
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert rows[0]["reason"] is None and rows[1]["bundle_digest"] is None and "local://dev" in rows[1]["reason"]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 262144, 300001])
def test_artifacts(provmat, tmp_path, size):
    data = bytes(i * 7 % 251 for i in range(size))
    (tmp_path / "a").write_bytes(data)
    row = provmat.json_rows("id", "artifact", tmp_path / "a")[0]
    assert row["size"] == size and row["sha256"] == hashlib.sha256(data).hexdigest()
    assert row["checksum"] == hashlib.blake2b(data, digest_size=32).hexdigest()
    done = provmat("id", "artifact", "-", input=data)
    assert json.loads(done.stdout)["checksum"] == row["checksum"]


def test_model_digests(provmat, tmp_path):
    for model in GOLDEN["model_digests"]:
        (tmp_path / "m.py").write_text(model["file_text"])
        assert "sha256:" + provmat.json_rows("id", "artifact", tmp_path / "m.py")[0]["sha256"] == model["model_digest"]


FLAGS = {"python_version": "python", "platform": "platform", "container_image": "container", "cuda_version": "cuda", "rng_algorithm": "rng",
         "thread_count": "threads"}


@pytest.mark.parametrize("number", range(len(GOLDEN["environment_digests"])))
def test_environments(provmat, number):
    item = GOLDEN["environment_digests"][number]
    fields = dict(item["fields"])
    words = [word for name, version in fields.pop("dependencies", {}).items() for word in ("--dep", f"{name}={version}")]
    words += [word for name, value in fields.items() for word in ("--" + FLAGS[name], value)]
    assert ids(provmat, "environment", *words) == {"environment": item["digest"]}


@pytest.mark.parametrize("number", range(len(GOLDEN["input_fingerprints"])))
def test_fingerprints_of_inputs(provmat, number):
    item = GOLDEN["input_fingerprints"][number]
    param_ids = [ids_of_params(provmat, params) for params in item["parameter_sets"]]
    targets = [word for target in item["targets"] for word in ("--target", target)]
    for order in (param_ids, param_ids[::-1]):
        assert ids(provmat, "inputs", "--bundle-ref", item["bundle_ref"], *targets, *order) == {"inputs": item["input_fingerprint"]}


def ids_of_params(provmat, params):
    return provmat.json_rows("id", "params", json.dumps(params))[0]["param_id"]


def test_what_is_refused(provmat):
    assert "--seed" in provmat("id", "task", "--params", "{}", check=2).err
    assert "--params" in provmat("id", "task", "--seed", "1", check=2).err
    assert "--target" in provmat("id", "aggregation", "x", check=2).err
    assert "64" in provmat("id", "task", "--param-id", "x", "--seed", "1", check=2).err
    assert "not the id" in provmat("id", "task", "--param-id", "a" * 64, "--params", "{}", "--seed", "1", check=2).err
    assert "finite" in provmat("id", "params", '{"x":NaN}', check=2).err
    assert "absent" in provmat("id", "artifact", "/absent", check=2).err
    assert "--bundle-ref" in provmat("id", "inputs", "x", check=2).err
    assert "--platform" in provmat("id", "environment", "--python", "3", check=2).err
    environment = ("id", "environment", "--python", "3", "--platform", "x", "--dep")
    assert "NAME=VERSION" in provmat(*environment, "numpy", check=2).err
    assert "twice" in provmat(*environment, "a=1", "--dep", "a=2", check=2).err
    done = provmat("id", "params", "-", input='{"x":1}\n{"x":null}\n{"x":2}\n', check=6)
    assert len(done.stdout.splitlines()) == 2 and "stdin:2:" in done.err and '"x"' in done.err
