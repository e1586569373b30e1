"""`provmat store put` and `store get`: what is written is what every other command reads, one writer of a key wins, nothing is left of what
did not become a result, and each says its event."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import stores
from conftest import PROGRAM

REF = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
MODEL = "sha256:" + "c" * 64
SIM = ("--params", '{"beta":0.5,"n":3}', "--set", "seed=42", "--set", "entrypoint=models.seir/baseline", "--set", f"bundle_ref={REF}")
AGG = ("--set", "target=targets/cases", "--input", "b57b", "--input", "a000", "--set", f"bundle_ref={REF}")


class Scene:
    """A store, a log, an index and a file."""

    def __init__(self, provmat, folder, log, index):
        self.provmat, self.folder, self.log, self.index = provmat, folder, log, index
        self.root = folder / "store"
        self.root.mkdir()
        self.file = folder / "table.bin"
        self.file.write_bytes(b"a table")

    def arguments(self, *more, job="job-1"):
        return [self.root, "--log", self.log, *(["--job", job] if job else []), *more]

    def put(self, *more, identity=SIM, job="job-1", output=True, check=0, **options):
        outputs = ["--output", f"table={self.file}"] if output else []
        return self.provmat("store", "put", *self.arguments(*identity, *outputs, *more, job=job), check=check, **options)

    def get(self, *more, identity=SIM, job="job-2", check=0, **options):
        return self.provmat("store", "get", *self.arguments(*identity, *more, job=job), check=check, **options)

    def start(self, *more, **options):
        return self.provmat.start("store", "put", *self.arguments(*SIM, *more), **options)

    def events(self):
        if not Path(self.log.removeprefix("local:")).exists():
            return []
        return self.provmat.json_rows("replay", "--log", self.log)

    def files(self):
        """Every file and directory with its content, as it lies there."""
        return {str(path.relative_to(self.root)): path.read_bytes() if path.is_file() else None for path in self.root.rglob("*")}

    def pending(self):
        return [path for path in self.root.rglob(".provmat-put-*") if path.is_dir()]

    def assert_clean(self, *arguments):
        """Whatever reads stores finds nothing to say, and neither does a comparison with the events."""
        assert self.provmat("store", "scan", self.root, *arguments).stdout == b""
        self.provmat("materialize", "--once", "--log", self.log, "--index", self.index)
        assert self.provmat("store", "check", self.root, "--log", self.log, "--index", self.index, *arguments).stdout == b""
        assert "0 results adopted" in self.provmat("store", "adopt", self.root, "--log", self.log, "--index", self.index, *arguments).err


@pytest.fixture
def scene(provmat, tmp_path, local, index):
    return Scene(provmat, tmp_path, local(), index())


def row_of(done):
    row, = map(json.loads, done.stdout.decode().splitlines())
    return row


# ---- what is written ----

def test_a_simulation(scene):
    notes = scene.folder / "notes.json"
    notes.write_text("{}")
    row = row_of(scene.put("--output", f"metadata={notes}", "--set", "duration_us=7"))
    path = scene.root / row["result"]
    assert row == {"result": row["result"], "action": "stored", "outputs": 2, "bytes": 9, "event": "sent"}
    assert {file.name for file in path.iterdir()} == {"metadata.json", "result.json", "artifact_table.arrow", "artifact_metadata.json"}
    metadata = json.loads((path / "metadata.json").read_text())
    assert list(metadata) == ["bundle_ref", "entrypoint", "params", "seed", "outputs", "param_id", "timestamp"]
    assert metadata["params"] == {"beta": 0.5, "n": 3} and metadata["seed"] == 42 and metadata["timestamp"].endswith("+00:00")
    result = json.loads((path / "result.json").read_text())
    assert list(result["outputs"]["table"]) == ["size", "checksum", "arrow_size"]
    assert list(result["outputs"]["metadata"]) == ["size", "checksum", "json_size"]
    assert (path / "artifact_table.arrow").read_bytes() == b"a table"
    event, = scene.events()
    assert event["type"] == "ResultComputed" and event["job_id"] == "job-1" and event["duration_us"] == 7
    assert event["result"] == row["result"] and event["task_id"] == result["task_id"] and event["param_id"] == metadata["param_id"]
    assert (event["schema"], event["schema_version"]) == ("token", 1)
    assert [(output["name"], output["size"]) for output in event["outputs"]] == [("table", 7), ("metadata", 2)]
    assert all(output["checksum"] == result["outputs"][output["name"]]["checksum"] for output in event["outputs"])
    assert event["occurred_at"][:26] == metadata["timestamp"][:26]
    scene.assert_clean()


def test_an_aggregation(scene):
    more = ("--set", "loss=0.25", "--set", "n_replicates=2", "--diagnostics", '{"per_replicate_losses":[0.2,0.3],"empty":[],"text":"a\\"{,"}')
    row = row_of(scene.put(*more, identity=AGG, output=False))
    shown, = scene.provmat.json_rows("store", "show", scene.root, row["result"])
    assert shown["kind"] == "agg" and shown["layout"] == "token" and shown["target"] == "targets/cases"
    assert (shown["loss"], shown["n_replicates"]) == (0.25, 2)
    result = json.loads((scene.root / row["result"] / "result.json").read_text())
    assert list(result) == ["aggregation_id", "loss", "diagnostics", "n_replicates", "outputs", "inputs"]
    assert result["diagnostics"] == {"per_replicate_losses": [0.2, 0.3], "empty": [], "text": 'a"{,'}
    assert result["inputs"] == [{"type": "sim", "task_id": "b57b"}, {"type": "sim", "task_id": "a000"}]
    identifier = scene.provmat.json_rows("id", "aggregation", "--target", "targets/cases", "b57b", "a000")[0]["id"]
    assert row["result"] == f"token/v1/aggs/4f446dbc7bd0/target_targets_cases/agg_{identifier}"
    event, = scene.events()
    assert event["loss"] == 0.25 and event["input_task_ids"] == ["b57b", "a000"] and event["aggregation_id"] == identifier
    scene.assert_clean()


@pytest.mark.parametrize("schema", ["token", "bundle", "default", "token-hashed", "bundle-hashed", "default-hashed"])
def test_every_layout_that_is_not_for_reading_only(scene, schema):
    more = ("--schema", schema, "--set", f"model_digest={MODEL}")
    simulation = row_of(scene.put(*more))
    aggregation = row_of(scene.put(*more, "--set", "loss=1", "--set", "entrypoint=models.seir/baseline", "--params", "{}",
                                   "--set", "target_digest=sha256:aa", identity=AGG))
    for row in (simulation, aggregation):
        shown, = scene.provmat.json_rows("store", "show", scene.root, row["result"])
        assert shown["state"] == "whole" and shown["entrypoint"] == "models.seir/baseline" and shown["param_id"]
    models = json.loads((scene.root / simulation["result"] / "manifest.json").read_text())["models"]
    assert [model["model_digest"] for model in models.values()] == [MODEL]
    scene.assert_clean()
    assert row_of(scene.get(*more))["result"] == simulation["result"]


def test_layouts_that_cannot_be_written(scene):
    for schema in ("token-port", "cache", "token-refhash"):
        assert "only read" in scene.put("--schema", schema, check=2).err
    assert 'did you mean "token"' in scene.put("--schema", "tokem", check=2).err
    assert "model_digest" in scene.put("--schema", "token-hashed", check=2).err
    assert scene.files() == {} and scene.events() == []


def test_a_layout_of_ones_own(scene):
    own = scene.folder / "own.json"
    own.write_text('{"name":"mine","sim":"sims/{bundle_digest[:16]}/{hash(entrypoint)[:8]}/{param_id}/{seed}"}'
                   '{"name":"short","sim":"{param_id[:1]}/{seed}"}{"name":"odd","sim":"{entrypoint[:1]}{seed}/x{param_id}"}')
    more = ("--schema-file", own, "--schema", "mine")
    row = row_of(scene.put(*more))
    assert row["result"].startswith("mine/v1/sims/4f446dbc7bd09db7/")
    scene.assert_clean("--schema-file", own)
    assert row_of(scene.get(*more))["result"] == row["result"]
    assert "no paths of kind agg" in scene.put(*more, identity=AGG, check=2).err
    hidden = scene.put("--schema-file", own, "--schema", "odd", "--set", "entrypoint=.x", check=2)
    assert 'begins with "."' in hidden.err


def test_permissions_are_the_umask_s(scene):
    row = row_of(scene.put())
    assert oct((scene.root / row["result"]).stat().st_mode & 0o777) == oct(0o777 & ~umask())
    assert oct((scene.root / row["result"] / "result.json").stat().st_mode & 0o777) == oct(0o666 & ~umask())
    done = subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", PROGRAM, "store", "put",
                           *map(str, scene.arguments(*SIM, "--set", "seed=43"))], env=scene.provmat.environment, capture_output=True, check=True)
    path = scene.root / row_of(done)["result"]
    assert (path.stat().st_mode & 0o777, (path / "metadata.json").stat().st_mode & 0o777) == (0o700, 0o600)


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_seeds_and_numbers_keep_their_digits(scene):
    row = row_of(scene.put("--set", "seed=18446744073709551615", "--params", '{"a":1,"b":1.0,"c":true,"d":9007199254740993,"e":-0.0}'))
    text = (scene.root / row["result"] / "metadata.json").read_text()
    for word in ('"seed": 18446744073709551615', '"a": 1,', '"b": 1.0', '"c": true', '"d": 9007199254740993', '"e": -0.0'):
        assert word in text, word
    scene.assert_clean()


# ---- once more ----

def test_the_same_result_twice(scene):
    first = row_of(scene.put())
    before = scene.files()
    done = scene.put(job="job-2")
    assert row_of(done) == {**first, "action": "already"} and "stored already; nothing was written" in done.err
    assert scene.files() == before
    # the other job has computed it too, and so says the index
    scene.assert_clean()
    result, = scene.provmat.json_rows("query", "result", first["result"], "--index", scene.index, "--log", scene.log)
    assert sorted(item["job_id"] for item in result["computed_by"]) == ["job-1", "job-2"] and result["conflicts"] == 0


def test_another_spelling_of_the_bundle_is_the_same(scene):
    scene.put()
    digest = REF.removeprefix("sha256:")
    for more in (("--set", f"bundle_ref=oci.example:5000/seir@{REF}"), ("--set", f"bundle_digest={digest}")):
        assert row_of(scene.put(*more))["action"] == "already"


@pytest.mark.parametrize("what,more,word", [
    ("bytes", (), 'output "table" is stored with the checksum'),
    ("more", ("--output", "other={file}"), 'output "other" is given, and not stored'),
    ("fewer", None, 'output "table" is stored, and not given'),
])
def test_other_content_is_a_conflict(scene, what, more, word):
    scene.put()
    before, events = scene.files(), scene.events()
    if what == "bytes":
        scene.file.write_bytes(b"A table")
    done = scene.put(*(item.format(file=scene.file) for item in more or ()), output=more is not None, check=1)
    assert "conflict: nondeterminism" in done.err and word in done.err and not done.stdout
    assert scene.files() == before and scene.events() == events


@pytest.mark.parametrize("more,word", [
    (("--set", "loss=0.5"), "loss is stored as 0.25, not 0.5"),
    ((), "loss is stored as 0.25, not none"),
    (("--set", "loss=0.25", "--set", "n_replicates=3"), "n_replicates is stored as 2, not 3"),
])
def test_another_loss_is_a_conflict(scene, more, word):
    scene.put("--set", "loss=0.25", "--set", "n_replicates=2", identity=AGG, output=False)
    before = scene.files()
    done = scene.put(*more, identity=AGG, output=False, check=1)
    assert "conflict: nondeterminism" in done.err and word in done.err
    assert scene.files() == before and len(scene.events()) == 1


@pytest.mark.parametrize("more,word", [
    (("--set", "entrypoint=models.seir/lockdown"), 'entrypoint is "models.seir/baseline", not "models.seir/lockdown"'),
    (("--set", f"model_digest=sha256:{'d' * 64}"), "model_digest is"),
])
def test_two_identities_on_one_path(scene, more, word):
    scene.put("--set", f"model_digest={MODEL}")
    before = scene.files()
    done = scene.put(*more, check=1)
    assert "conflict: collision" in done.err and word in done.err and SIM[1] not in done.err
    assert "not stored" in scene.get(*more, check=1).err
    assert scene.files() == before and len(scene.events()) == 1


def test_two_parameter_sets_whose_paths_are_cut(scene):
    own = scene.folder / "own.json"
    own.write_text('{"name":"short","sim":"{param_id[:1]}/{seed}"}')
    more = ("--schema-file", own, "--schema", "short")
    paths = {}
    for n in range(40):
        params = json.dumps({"n": n})
        path = scene.provmat.json_rows("path", "render", *more, "--set", "seed=42", "--params", params)[0]["path"]
        if path in paths:
            break
        paths[path] = params
    scene.put(*more, "--params", paths[path])
    done = scene.put(*more, "--params", params, check=1)
    assert "conflict: collision" in done.err and "params is" in done.err
    assert "another identity" in scene.get(*more, "--params", params, check=1).err
    assert row_of(scene.get(*more, "--params", paths[path]))["result"] == path


def test_targets_that_share_a_path(scene):
    identity = ("--set", "aggregation_id=0123456789abcdef", "--set", f"bundle_ref={REF}")
    scene.put("--set", "target=a/b", identity=identity)
    assert "conflict: collision" in scene.put("--set", "target=a_b", identity=identity, check=1).err
    assert "conflict: collision" in scene.put("--set", "target=a/b", "--set", "target_digest=sha256:1", "--set", "target=a_b",
                                              identity=identity, check=1).err


def test_new_observed_data_is_no_hit(scene):
    scene.put("--set", "target_digest=sha256:1", identity=AGG)
    assert "target_digest" in scene.get("--set", "target_digest=sha256:2", identity=AGG, check=1).err
    assert row_of(scene.get("--set", "target_digest=sha256:1", identity=AGG))["event"] == "sent"


# ---- what is refused ----

@pytest.mark.parametrize("more,word", [
    (("--set", "seed=-1"), "a seed is 0 to 2^64-1"),
    (("--set", "sed=1"), "no such field"),
    (("--set", "seed"), "is not NAME=VALUE"),
    (("--set", "entrypoint="), "entrypoint"),
    (("--params", '{"a":null}'), "params"),
    (("--params", '{"a":NaN}'), "params"),
    (("--params", "{}", "--set", "param_id=" + "0" * 64), "param_id"),
    (("--set", "bundle_ref=local://dev"), "bundle_ref"),
    (("--set", "task_id=1"), "task_id"),
    (("--kind", "agg"), "target is missing"),
    (("--set", "target=x", "--kind", "sim"), "target is given"),
    (("--set", "loss=inf"), "it is a number"),
    (("--output", "table"), "is not NAME=FILE"),
    (("--output", "../x={file}"), "0x2f"),
    (("--output", "a\nb={file}"), "0x0a"),
    (("--output", "x" * 201 + "={file}"), "above the limit of 200"),
    (("--output", "table={file}"), "given twice"),
    (("--output", "x={file}.none"), "No such file"),
    (("--output", "x={folder}"), "is a directory"),
    (("--diagnostics", "[]"), "diagnostics"),
    (("--log", "ftp://x"), "ftp://x"),
])
def test_what_is_refused(scene, more, word):
    done = scene.put(*(item.format(file=scene.file, folder=scene.folder) if "{file}" in item or "{folder}" in item else item for item in more),
                     check=2)
    assert word in done.err, done.err
    assert scene.files() == {} and scene.events() == []


def test_what_is_missing(scene):
    for i in range(0, len(SIM), 2):
        scene.put(identity=SIM[:i] + SIM[i + 2:], check=2)
    assert "--job" in scene.put(job=None, check=2).err
    assert scene.files() == {}
    row = row_of(scene.put(job=None, env={"PROVMAT_JOB_ID": "job-9"}))
    assert row["event"] == "sent" and scene.events()[0]["job_id"] == "job-9"
    gone = scene.folder / "gone"
    done = scene.provmat("store", "put", gone, "--no-event", *SIM, check=2)
    assert "make the directory first" in done.err and not gone.exists()


def test_no_link_is_followed(scene):
    outside = scene.folder / "outside"
    outside.mkdir()
    (scene.root / "token").symlink_to(outside)
    for done in (scene.put(check=3), scene.get(check=3)):
        assert "symbolic links are not followed" in done.err
    assert list(outside.iterdir()) == []
    (scene.root / "token").unlink()
    path = scene.root / row_of(scene.put())["result"]
    shutil.move(path, outside / "result")
    path.symlink_to(outside / "result")
    assert "symbolic" in scene.get(check=3).err
    assert "symbolic" in scene.put(check=3).err


def test_a_link_in_place_of_an_artifact_is_no_hit(scene):
    path = scene.root / row_of(scene.put())["result"]
    shutil.move(path / "artifact_table.arrow", scene.folder / "elsewhere")
    (path / "artifact_table.arrow").symlink_to(scene.folder / "elsewhere")
    assert "artifact_missing" in scene.get(check=3).err
    assert "artifact_missing" in scene.get("--to", scene.folder / "out", check=3).err


# ---- getting ----

def test_a_hit(scene):
    scene.put("--set", "loss=0.25", "--set", "n_replicates=2", identity=AGG)
    row = row_of(scene.get("--source", "remote", identity=AGG))
    assert (row["loss"], row["n_replicates"], row["event"]) == (0.25, 2, "sent")
    output, = row["outputs"]
    assert Path(output["file"]).read_bytes() == b"a table" and output["size"] == 7 and output["name"] == "table"
    event = scene.events()[1]
    assert event["type"] == "ResultReused" and event["job_id"] == "job-2" and event["source"] == "remote"
    assert event["stored_at"] == row["stored_at"] == scene.events()[0]["occurred_at"]
    assert event["result"] == row["result"] and event["loss"] == 0.25 and event["outputs"] == scene.events()[0]["outputs"]
    scene.assert_clean()


def test_a_miss(scene):
    for _ in range(2):
        done = scene.get(check=1)
        assert "not stored" in done.err and not done.stdout
    assert scene.files() == {} and scene.events() == []
    scene.put()
    assert "not stored" in scene.get("--set", "seed=43", check=1).err and len(scene.events()) == 1


@pytest.mark.parametrize("how", [(), ("--link",)])
def test_copies(scene, how):
    path = scene.root / row_of(scene.put())["result"]
    out = scene.folder / "out"
    for _ in range(2):
        output, = row_of(scene.get("--to", out, *how))["outputs"]
        assert output["file"] == str(out / "artifact_table.arrow") and [file.name for file in out.iterdir()] == ["artifact_table.arrow"]
        assert (out / "artifact_table.arrow").read_bytes() == b"a table"
        assert os.path.samefile(out / "artifact_table.arrow", path / "artifact_table.arrow") == bool(how)
    assert "--to" in scene.get("--link", check=2).err


def spoil(path):
    (path / "artifact_table.arrow").write_bytes(b"A table")


def shorten(path):
    (path / "artifact_table.arrow").write_bytes(b"a tab")


def lose(path):
    (path / "artifact_table.arrow").unlink()


def tear(path):
    (path / "result.json").unlink()


def cut(path):
    (path / "metadata.json").write_bytes((path / "metadata.json").read_bytes()[:50])


def bare(path):
    (path / "result.json").unlink()
    (path / "metadata.json").unlink()


DAMAGE = [(spoil, "artifact_table.arrow"), (shorten, "artifact_table.arrow"), (lose, "table"), (tear, "result.json"), (cut, "metadata.json"),
          (bare, "metadata.json")]


@pytest.mark.parametrize("damage,word", DAMAGE, ids=lambda item: getattr(item, "__name__", ""))
def test_what_is_damaged_is_no_hit(scene, damage, word):
    path = scene.root / row_of(scene.put())["result"]
    damage(path)
    out = scene.folder / "out"
    for more in ((), ("--to", out), ("--to", out, "--link")):
        done = scene.get(*more, check=3)
        assert "damaged" in done.err and word in done.err and not done.stdout
    assert not out.exists() or list(out.iterdir()) == []
    assert len(scene.events()) == 1


@pytest.mark.parametrize("damage,word", DAMAGE, ids=lambda item: getattr(item, "__name__", ""))
def test_repair(scene, damage, word):
    path = scene.root / row_of(scene.put())["result"]
    damage(path)
    before = scene.files()
    done = scene.put(check=3)
    assert word in done.err and "--repair" in done.err and scene.files() == before and len(scene.events()) == 1
    assert row_of(scene.put("--repair"))["action"] == "repaired"
    assert scene.pending() == []
    scene.assert_clean()
    assert row_of(scene.put("--repair"))["action"] == "already"


def test_repair_replaces_no_whole_result(scene):
    scene.put()
    before = scene.files()
    scene.file.write_bytes(b"other")
    assert "conflict" in scene.put("--repair", check=1).err and scene.files() == before


def test_a_stored_error_is_no_hit(scene):
    path = scene.root / row_of(scene.put())["result"]
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, "error": {"error_type": "X", "message": "m", "retryable": False}}))
    assert "what is stored is an error" in scene.get(check=1).err
    assert "what is stored is an error" in scene.put(check=3).err
    assert row_of(scene.put("--repair"))["action"] == "repaired"
    assert row_of(scene.get())["event"] == "sent"


def test_results_that_others_stored(scene):
    root = stores.few(scene.folder / "real")
    for path in root.rglob("*"):
        path.chmod(0o755)
    for row in scene.provmat.json_rows("store", "list", root):
        shown, = scene.provmat.json_rows("store", "show", root, row["result"])
        identity = ["--set", f"bundle_ref={shown['bundle_ref']}"]
        if shown["kind"] == "sim":
            identity += ["--params", json.dumps(shown["params"]), "--set", f"seed={shown['seed']}", "--set", f"entrypoint={shown['entrypoint']}"]
        else:
            identity += ["--set", f"target={shown['target']}", "--set", f"aggregation_id={shown['aggregation_id']}"]
        hit = row_of(scene.provmat("store", "get", root, "--no-event", *identity))
        assert hit["result"] == row["result"] and hit["loss"] == row["loss"]
        artifacts = scene.provmat.json_rows("store", "show", root, row["result"], "--as", "artifacts")
        assert {o["name"]: o["checksum"] for o in hit["outputs"]} == {a["name"]: a["checksum"] for a in artifacts}
        # put again, it is the same result
        outputs = [word for output in hit["outputs"] for word in ("--output", f"{output['name']}={output['file']}")]
        more = ["--set", f"loss={shown['loss']}"] if shown["kind"] == "agg" else []
        assert row_of(scene.provmat("store", "put", root, "--no-event", *identity, *more, *outputs))["action"] == "already"


# ---- events that the log does not take ----

def test_the_log_is_away(scene):
    blocked = scene.folder / "blocked"
    blocked.write_text("a file where the log should be")
    away = ("--log", f"local:{blocked}/log")
    done = scene.put(*away, check=4)
    assert row_of(done)["event"] == "lost" and row_of(done)["action"] == "stored" and "the result is stored" in done.err
    assert "--outbox" in done.err
    waiting = scene.folder / "waiting"
    done = scene.put(*away, "--outbox", waiting)
    assert row_of(done)["event"] == "outbox" and "outbox drain" in done.err
    done = scene.get(*away, "--outbox", waiting)
    assert row_of(done)["event"] == "outbox"
    scene.provmat("outbox", "drain", waiting, "--log", scene.log)
    assert sorted(event["type"] for event in scene.events()) == ["ResultComputed", "ResultReused"]
    assert row_of(scene.put("--outbox", waiting))["event"] == "sent"
    scene.assert_clean()


def test_no_event(scene):
    assert row_of(scene.put("--no-event", job=None))["event"] == "none"
    assert row_of(scene.get("--no-event", job=None))["event"] == "none"
    assert scene.events() == []


# ---- bad disks ----

def test_a_full_disk(scene, disk):
    scene.root = disk("512k")
    scene.file.write_bytes(os.urandom(1 << 20))
    done = scene.put(check=3)
    assert "artifact_table.arrow" in done.err and "no space left" in done.err and not done.stdout
    assert scene.pending() == [] and not any(path.is_file() for path in scene.root.rglob("*")) and scene.events() == []
    scene.file.write_bytes(b"x" * 100000)
    assert row_of(scene.put())["action"] == "stored"
    out = disk("64k")
    assert "no space left" in scene.get("--to", out / "x", check=3).err and len(scene.events()) == 1


def test_a_read_only_root(scene, disk):
    scene.root = disk("1m")
    scene.put()
    subprocess.run(["mount", "-o", "remount,ro", scene.root], check=True)
    assert row_of(scene.put())["action"] == "already"
    assert row_of(scene.get())["event"] == "sent"
    done = scene.put("--set", "seed=43", check=3)
    assert "read-only" in done.err


# ---- many writers, and writers that are killed ----

def test_eight_writers_of_one_key(scene):
    scene.file.write_bytes(os.urandom(3 << 20))
    processes = [scene.start("--output", f"table={scene.file}", "--job", f"job-{n}") for n in range(8)]
    rows = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        rows.append(json.loads(out))
    assert sorted(row["action"] for row in rows) == ["already"] * 7 + ["stored"]
    assert scene.pending() == []
    scene.assert_clean()
    assert sorted(event["job_id"] for event in scene.events()) == [f"job-{n}" for n in range(8)]


def test_eight_writers_of_different_content(scene):
    processes = []
    for n in range(8):
        file = scene.folder / f"file{n}"
        file.write_bytes(bytes([n]) * (1 << 20))
        processes.append(scene.start("--output", f"table={file}", "--job", f"job-{n}"))
    done = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert sorted(code for _, code in done) == [0] + [1] * 7
    assert all(b"conflict: nondeterminism" in err for (_, err), code in done if code)
    scene.assert_clean()
    assert len(scene.events()) == 1


def blocked_put(scene, name="pipe"):
    """A put that waits in the middle of its second output: the first is written, this one has begun."""
    pipe = scene.folder / name
    os.mkfifo(pipe)
    process = scene.start("--output", f"table={scene.file}", "--output", f"late={pipe}")
    writer = os.open(pipe, os.O_WRONLY)
    os.write(writer, b"a part")
    until = time.monotonic() + 60
    while not any(path.stat().st_size == 6 for path in scene.root.rglob("artifact_late.arrow")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    return process, writer


def test_killed_in_the_middle(scene):
    process, writer = blocked_put(scene)
    name = scene.pending()[0].name
    finding, = scene.provmat.json_rows("store", "scan", scene.root, check=1)
    assert finding["code"] == "half_written" and finding["path"].endswith(name) and f"being put by process {process.pid}" in finding["detail"]
    assert "not stored" in scene.get(check=1).err
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.close(writer)
    finding, = scene.provmat.json_rows("store", "scan", scene.root, check=1)
    assert finding["code"] == "half_written" and f"process {process.pid} ended before its put did" in finding["detail"]
    row, = scene.provmat.json_rows("store", "list", scene.root)
    assert row["state"] == "half-written" and row["result"].endswith(name)
    assert "not stored" in scene.get(check=1).err
    # another key leaves it alone, the same one removes it
    beside = ("--set", "seed=43")
    scene.put(*beside)
    assert [path.name for path in scene.pending()] == [name]
    scene.put()
    assert scene.pending() == []
    scene.assert_clean()


def test_what_lives_is_not_removed(scene):
    process, writer = blocked_put(scene)
    before = scene.pending()
    assert row_of(scene.put())["action"] == "stored"
    assert scene.pending() == before
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"conflict: nondeterminism" in err
    assert scene.pending() == []
    scene.assert_clean()


def test_another_identity_is_faster(scene):
    process, writer = blocked_put(scene)
    scene.put("--set", "entrypoint=models.seir/lockdown")
    before = scene.events()
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and b"conflict: collision" in err and b"models.seir/lockdown" in err
    assert scene.pending() == [] and scene.events() == before
    scene.assert_clean()


def test_what_another_machine_left(scene):
    process, writer = blocked_put(scene)
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.close(writer)
    pending, = scene.pending()
    key, _, pid, number = pending.name.removeprefix(".provmat-put-").split("-")
    foreign = pending.rename(pending.with_name(f".provmat-put-{key}-00000000-{pid}-{number}"))
    assert "of another machine" in scene.provmat.json_rows("store", "scan", scene.root, check=1)[0]["detail"]
    scene.put()
    assert scene.pending() == [foreign]
    day = 25 * 3600
    for path in [*foreign.iterdir(), foreign]:
        os.utime(path, (time.time() - day,) * 2)
    shutil.rmtree(scene.root / scene.events()[0]["result"])
    scene.put()
    assert scene.pending() == []
    scene.assert_clean()


def test_killed_at_any_time(scene):
    """A result is there whole or not at all, and the next put finds nothing in its way."""
    scene.file.write_bytes(os.urandom(4 << 20))
    for n in range(20):
        process = scene.start("--output", f"table={scene.file}", "--set", f"seed={n}")
        time.sleep(0.003 * n)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        listed = [row for row in scene.provmat.json_rows("store", "list", scene.root, check=(0, 1)) if row["result"].endswith(f"seed_{n}")]
        assert all(row["state"] == "whole" for row in listed)
        assert row_of(scene.put("--set", f"seed={n}"))["action"] in ("stored", "already")
    scene.assert_clean()


@pytest.mark.skipif(PROGRAM.parent.name.startswith(("asan", "tsan")), reason="sanitizers take address space themselves")
def test_large_files_need_little_memory(scene):
    size = 300 << 20
    with open(scene.file, "wb") as file:
        file.truncate(size)
    limit = f"ulimit -v {220 << 10}; exec \"$@\""
    for command in ("put", "get"):
        more = ["--output", f"table={scene.file}"] if command == "put" else ["--to", scene.folder / "out"]
        subprocess.run(["sh", "-c", limit, "sh", PROGRAM, "store", command, scene.root, "--no-event", *SIM, *map(str, more)],
                       env=scene.provmat.environment, capture_output=True, check=True, timeout=120)
    assert (scene.folder / "out/artifact_table.arrow").stat().st_size == size


def test_directories_that_are_removed_meanwhile(scene):
    """`store clear` and people remove empty directories while results are put."""
    stop = threading.Event()

    def remove():
        while not stop.is_set():
            subprocess.run(["find", scene.root, "-mindepth", "1", "-depth", "-type", "d", "-empty", "-not", "-name", ".provmat-put-*",
                            "-delete"], capture_output=True, check=False)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for n in range(15):
            assert row_of(scene.put("--set", f"seed={n}"))["action"] == "stored"
    finally:
        stop.set()
        thread.join()
    scene.assert_clean()
