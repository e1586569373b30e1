"""`provmat store list|show|stats|scan`: real stores of every generation, and stores with planted damage."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import stores
from conftest import PROGRAM, Provmat

SIM = "token/v1/sims/4f446dbc7bd0/31/78/params_7af9ded3/seed_1719579189"
AGG = "token/v1/aggs/4f446dbc7bd0/target_targets.prevalence:prevalence_target/agg_1a91cca06509f87c"


@pytest.fixture
def store(tmp_path):
    return stores.small(tmp_path)


def findings(provmat, root, *arguments, check=1):
    return provmat.json_rows("store", "scan", root, *arguments, check=check)


# ---- real stores ----

def test_the_numbers_of_a_real_store(provmat, store):
    rows = provmat.json_rows("store", "stats", store)
    want = stores.expected()["store"]
    for row in rows:
        numbers = want[row["area"]].pop(row["kind"])
        assert {key: row[key] for key in numbers} == numbers and row["whole"] == row["results"]
    assert want == {"token/v1": {}}
    assert provmat("store", "scan", store).stdout == b""


def test_the_results_of_a_real_store(provmat, store):
    rows = {row["result"]: row for row in provmat.json_rows("store", "list", store)}
    results = stores.expected()["results"]
    want = {path: row for path, row in results.items() if row["in_store"]}
    assert set(rows) == set(want)
    for path, row in rows.items():
        assert row["kind"] == want[path]["kind"] and row["state"] == "whole" and row["reason"] is None
        assert row["layout"] == ("token-port" if "/5000/" in path else "token")
        if "loss" in want[path]:
            assert row["loss"] == want[path]["loss"]
    assert provmat.json_rows("store", "list", store, "--kind", "agg", "--limit", 3) == [
        rows[path] for path in sorted(rows) if rows[path]["kind"] == "agg"][:3]
    assert provmat("store", "list", store, "--schema", "bundle", check=1).stdout == b""


@pytest.mark.parametrize("name", stores.GENERATIONS)
def test_every_generation(provmat, tmp_path, name):
    root, truth = stores.generation(name, tmp_path)
    rows = {row["result"]: row for row in provmat.json_rows("store", "list", root)}
    assert sorted(rows) == sorted(item["path"] for item in truth)
    for item in truth:
        check_against_truth(provmat, root, rows[item["path"]], item, name)
    torn = sorted(item["path"] for item in truth if "torn" in item)
    found = provmat("store", "scan", root, check=1 if torn else 0).stdout.decode().splitlines()
    assert [(row["code"], row["path"]) for row in map(json.loads, found)] == [("half_written", path) for path in torn]


def check_against_truth(provmat, root, row, item, name):
    if "torn" in item:
        assert row["state"] == "half-written" and "result.json" in row["reason"]
        return
    shown = provmat.json_rows("store", "show", root, item["path"])[0]
    # nothing that the first of these stores wrote tells that a task had failed
    assert row["state"] == ("failed" if "error" in item and name != "p1-first" else "whole")
    assert shown["kind"] == item["kind"] and row["layout"] is not None
    if "schema" in item:
        assert row["layout"].startswith(item["schema"])
    for key in ("bundle_ref", "entrypoint", "params", "param_id", "target", "aggregation_id", "loss", "n_replicates", "task_id"):
        if key in item:
            assert shown[key] == item[key], key
    if "seed" in item:
        assert str(shown["seed"]) == item["seed"]
    if item["path"].startswith("cache/") or item["kind"] == "agg" or "error" in item:
        return
    outputs = provmat.json_rows("store", "show", root, item["path"], "--as", "artifacts")
    assert {row["name"]: {"size": row["size"], "checksum": row["checksum"]} for row in outputs} == item["outputs"]


# ---- caches: pickles and ZIP archives, which nobody opens ----

CACHES = [("c1-pickle", "a pickle, which is never unpickled"), ("c2-zip", "a ZIP archive, which is not unpacked")]


@pytest.mark.parametrize("name, reason", CACHES, ids=[name for name, _ in CACHES])
def test_what_is_not_opened_says_so(provmat, tmp_path, name, reason):
    root, truth = stores.generation(name, tmp_path)
    rows = {row["result"]: row for row in provmat.json_rows("store", "list", root)}
    assert sorted(rows) == sorted(item["path"] for item in truth)
    assert {(row["state"], row["reason"]) for row in rows.values()} == {("whole", reason)}
    assert provmat.json_rows("store", "show", root, truth[0]["path"])[0]["reason"] == reason


CACHE_DAMAGE = [
    ("c1-pickle", lambda data: data[:-1], "half_written", "the pickle has no end", "half-written"),
    ("c2-zip", lambda data: data[:-30], "half_written", "the ZIP archive has no end", "half-written"),
    ("c1-pickle", lambda data: b"", "half_written", "the file is empty", "half-written"),
    ("c1-pickle", lambda data: b"<html>", "malformed", "neither a pickle nor a ZIP archive", "broken"),
    ("c2-zip", lambda data: b"P", "malformed", "neither a pickle nor a ZIP archive", "broken"),
]


@pytest.mark.parametrize("name, change, code, detail, state", CACHE_DAMAGE)
def test_a_damaged_cache(provmat, tmp_path, name, change, code, detail, state):
    root, truth = stores.generation(name, tmp_path)
    file = root / truth[0]["path"]
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(change(data))
    assert [(row["code"], row["path"], row["detail"]) for row in findings(provmat, root)] == [(code, truth[0]["path"], detail)]
    row = next(row for row in provmat.json_rows("store", "list", root) if row["result"] == truth[0]["path"])
    assert row["state"] == state and detail in row["reason"]


def test_a_pickle_is_never_run(provmat, tmp_path):
    root, truth = stores.generation("c1-pickle", tmp_path)
    trap = tmp_path / "trap"
    code = b"\x80\x04cposix\nsystem\n(S'touch " + bytes(trap) + b"'\ntR."
    (root / truth[0]["path"]).chmod(0o644)
    (root / truth[0]["path"]).write_bytes(code)
    log = ("--log", f"local:{tmp_path / 'log'}", "--index", tmp_path / "index")
    for words in (("list", root), ("scan", root), ("show", root, truth[0]["path"]), ("adopt", root), ("stats", root)):
        provmat(*log, "store", *words)
    assert not trap.exists()


def test_show(provmat, store):
    both = provmat.json_rows("store", "show", store, SIM, "--as", "json")[0]
    assert both["metadata"] == json.loads((store / SIM / "metadata.json").read_text())
    assert both["result_json"] == json.loads((store / SIM / "result.json").read_text())
    (store / SIM / "artifact_summary.arrow").write_bytes(b"x" * 1045)
    done = provmat("store", "show", store, SIM, "--as", "artifacts")
    assert "artifact_checksum" in done.err and len(done.stdout.splitlines()) == 3
    for path in ("token/v1/sims/none", "../store/" + SIM, SIM + "/metadata.json", "token"):
        assert not provmat("store", "show", store, path, check=1).stdout
    assert "absent" in provmat("store", "list", "/absent/root", check=2).err


def test_own_layouts(provmat, store, tmp_path):
    own = tmp_path / "own.json"
    own.write_text('{"name":"mine","sim":"{param_id}/{seed}"}')
    row = provmat.json_rows("store", "show", store, SIM)[0]
    target = store / "mine/v1" / row["param_id"] / str(row["seed"])
    shutil.copytree(store / SIM, target)
    listed = provmat.json_rows("store", "list", store, "--schema-file", own, "--schema", "mine")
    assert [(row["result"], row["layout"]) for row in listed] == [(str(target.relative_to(store)), "mine")]
    assert provmat("store", "scan", store, "--schema-file", own).stdout == b""
    assert findings(provmat, store)[0]["code"] == "path_mismatch"


# ---- planted damage: (what is done, the codes, the path and a word of the finding) ----

def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=2))


def truncate(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def no_result(root):
    (root / SIM / "result.json").unlink()


def no_metadata(root):
    (root / AGG / "metadata.json").unlink()


def empty_result(root):
    truncate(root / SIM / "result.json", 0)


def cut_result(root):
    truncate(root / SIM / "result.json", 200)


def cut_metadata(root):
    truncate(root / SIM / "metadata.json", 100)


def empty_directory(root):
    for file in (root / SIM).iterdir():
        file.unlink()


def artifacts_alone(root):
    (root / SIM / "result.json").unlink()
    (root / SIM / "metadata.json").unlink()


def changed_artifact(root):
    data = bytearray((root / SIM / "artifact_summary.arrow").read_bytes())
    data[500] ^= 1
    (root / SIM / "artifact_summary.arrow").write_bytes(data)


def longer_artifact(root):
    with open(root / SIM / "artifact_prevalence.parquet", "ab") as file:
        file.write(b"x")


def lost_artifact(root):
    (root / SIM / "artifact_metadata.json").unlink()


def moved_directory(root):
    (root / SIM).rename(root / SIM.replace("seed_1719579189", "seed_5"))


def moved_aggregation(root):
    (root / AGG).rename(root / AGG.replace("agg_1a91", "agg_0000"))


def foreign_file(root):
    (root / "token/v1/sims/README").write_text("x")


def foreign_in_result(root):
    (root / SIM / "notes.txt").write_text("x")


def foreign_artifact(root):
    (root / SIM / "artifact_other.arrow").write_text("x")


def foreign_directory(root):
    (root / SIM / "more").mkdir()


def symlink_out(root):
    shutil.copytree(root / SIM, root.parent / "outside/secret")
    (root / "token/v1/sims/link").symlink_to(root.parent / "outside")


def symlink_for_a_file(root):
    (root.parent / "metadata.json").write_bytes((root / SIM / "metadata.json").read_bytes())
    (root / SIM / "metadata.json").unlink()
    (root / SIM / "metadata.json").symlink_to(root.parent / "metadata.json")


def newline_in_a_name(root):
    (root / "token/v1/sims/a\nb").mkdir()


def bytes_in_a_name(root):
    os.mkdir(os.fsencode(root) + b"/token/v1/sims/\xff\xfe")


def other_params(root):
    edit(root / SIM / "metadata.json", lambda data: data["params"].update(beta=0.5))


def other_seed(root):
    edit(root / SIM / "metadata.json", lambda data: data.update(seed=7))


def impossible_seed(root):
    edit(root / SIM / "metadata.json", lambda data: data.update(seed=-7))


def infinite_loss(root):
    edit(root / AGG / "result.json", lambda data: data.update(loss=float("nan")))


def other_target(root):
    edit(root / AGG / "metadata.json", lambda data: data.update(target_entrypoint="targets.other:x"))


def other_inputs(root):
    edit(root / AGG / "result.json", lambda data: data["inputs"].pop())


def no_time(root):
    edit(root / SIM / "metadata.json", lambda data: data.update(timestamp="yesterday"))


def too_deep(root):
    (root / "/".join(["token"] + ["d"] * 40)).mkdir(parents=True)


def huge_json(root):
    truncate(root / SIM / "result.json", 5_000_000)


DAMAGE = [
    (no_result, {"half_written"}, SIM, "result.json"),
    (no_metadata, {"half_written"}, AGG, "metadata.json"),
    (empty_result, {"half_written"}, SIM, "result.json"),
    (cut_result, {"malformed"}, SIM, "byte offset 156: the string does not end"),
    (cut_metadata, {"malformed"}, SIM, "byte offset 95: the string does not end"),
    (empty_directory, {"half_written"}, SIM, "empty"),
    (artifacts_alone, {"half_written"}, SIM, "missing"),
    (changed_artifact, {"artifact_checksum"}, SIM, "artifact_summary.arrow"),
    (longer_artifact, {"artifact_size"}, SIM, "artifact_prevalence.parquet"),
    (lost_artifact, {"artifact_missing"}, SIM, "metadata"),
    (moved_directory, {"path_mismatch"}, SIM.replace("seed_1719579189", "seed_5"), SIM),
    (moved_aggregation, {"path_mismatch"}, AGG.replace("agg_1a91", "agg_0000"), AGG),
    (foreign_file, {"foreign"}, "token/v1/sims/README", "no result"),
    (foreign_in_result, {"foreign"}, SIM + "/notes.txt", "no result"),
    (foreign_artifact, {"foreign"}, SIM + "/artifact_other.arrow", "no such output"),
    (foreign_directory, {"foreign"}, SIM + "/more", "directory"),
    (symlink_out, {"symlink"}, "token/v1/sims/link", "not followed"),
    (symlink_for_a_file, {"symlink", "half_written"}, SIM + "/metadata.json", "not followed"),
    (newline_in_a_name, {"bad_name"}, "token/v1/sims/a\\x0ab", "control"),
    (bytes_in_a_name, {"bad_name"}, "token/v1/sims/\\xff\\xfe", "UTF-8"),
    (other_params, {"contradiction"}, SIM, "param_id"),
    (other_seed, {"contradiction"}, SIM, "task_id"),
    (impossible_seed, {"malformed"}, SIM, '"seed"'),
    (infinite_loss, {"malformed"}, AGG, '"loss"'),
    (other_target, {"contradiction"}, AGG, "aggregation_id"),
    (other_inputs, {"contradiction"}, AGG, "inputs"),
    (no_time, {"malformed"}, SIM, "yesterday"),
    (too_deep, {"too_deep"}, "token" + "/d" * 32, "32"),
    (huge_json, {"malformed"}, SIM, "limit"),
]


@pytest.mark.parametrize("damage, codes, path, word", DAMAGE, ids=[item[0].__name__ for item in DAMAGE])
def test_damage(provmat, tmp_path, damage, codes, path, word):
    store = stores.few(tmp_path)
    before = len(provmat.json_rows("store", "list", store))
    damage(store)
    rows = findings(provmat, store)
    assert {row["code"] for row in rows} == codes
    assert any(row["path"] == path and word in " ".join(map(str, row.values())) for row in rows), rows
    listed = provmat.json_rows("store", "list", store)
    assert len(listed) == before, "a damaged result is still listed, and nothing else is"
    states = {row["result"]: row["state"] for row in listed}
    if path in states and not codes & {"path_mismatch", "artifact_checksum"}:  # a list reads no artifact
        assert states[path] in ("half-written", "broken")


def test_sizes_only_reads_no_artifact(provmat, store):
    changed_artifact(store)
    assert findings(provmat, store, "--sizes-only", check=0) == []


def test_ten_thousand_entries_in_one_directory(provmat, tmp_path):
    root = tmp_path / "store"
    result = root / "token/v1/sims/r"
    result.mkdir(parents=True)
    (result / "metadata.json").write_text("{}")
    (result / "result.json").write_text('{"outputs":{}}')
    for number in range(10_000):
        (result / f"artifact_{number}.arrow").touch()
        (root / f"token/v1/sims/file{number}").touch()
    rows = findings(provmat, root)
    assert sum(row["path"].startswith("token/v1/sims/file") for row in rows) == 10_000
    listed = provmat.json_rows("store", "list", root)
    assert [(row["result"], row["files"], row["artifacts"]) for row in listed] == [("token/v1/sims/r", 10_002, 10_000)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without rights")
def test_permission_denied(store):
    base = Path(tempfile.mkdtemp(prefix="provmat-denied-"))
    try:
        base.chmod(0o755)
        shutil.copytree(store, base / "store")
        shutil.copy(PROGRAM, base / "provmat")
        (base / "store" / SIM / "result.json").chmod(0)
        (base / "store" / AGG).chmod(0)
        done = Provmat(base).start("store", "scan", base / "store", env={"HOME": "/"}, preexec_fn=lambda: os.setuid(65534),
                                   executable=base / "provmat")
        out, _ = done.communicate(timeout=60)
    finally:
        shutil.rmtree(base)
    rows = [json.loads(line) for line in out.decode().splitlines()]
    assert done.returncode == 1
    assert {(row["code"], row["path"], row["what"]) for row in rows} >= {("unreadable", SIM, "result.json"), ("unreadable", AGG, None)}
