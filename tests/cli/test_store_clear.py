"""`provmat store clear`: what goes, what is kept and why, and that every deletion is told of once, whatever happens in between."""

import csv
import datetime
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import stores
from conftest import PROGRAM, ROOT, Provmat
from test_store import AGG, SIM, edit
from test_store_adopt import World

OTHER = SIM.replace("719579189", "719579190")
BUNDLE = "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
JOB = "job-running"


class Clearing(World):
    def clear(self, *arguments, check=0, **more):
        done = self("store", "clear", self.root, *arguments, check=check, **more)
        done.rows = {row["result"]: row for row in map(json.loads, done.stdout.decode().splitlines())}
        assert len(done.rows) == len(done.stdout.decode().splitlines()), "a result has one row"
        return done

    def force(self, *arguments, **more):
        return self.clear(*arguments, "--force", **more)

    def deletions(self):
        return [event for event in self.events() if event["type"] == "ResultDeleted" and event.get("reason") == "store clear"]

    def listed(self):
        return {row["result"] for row in self.provmat.json_rows("store", "list", self.root, check=(0, 1))}

    def files(self):
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}

    def left(self):
        """What is not of a view."""
        return {path for path in self.files() if not path.startswith("token/v1/views") and path not in ("token", "token/v1")}

    def tell(self, *events):
        self.provmat.emit(self.log, list(events))
        self.materialize()


def make(provmat, root, log, index):
    world = Clearing(provmat, root, log, index)
    provmat.emit(log, stores.events())
    world.adopt()
    world.materialize()
    return world


@pytest.fixture
def world(provmat, tmp_path, local, index):
    """The real store, with its events in the index."""
    return make(provmat, stores.small(tmp_path), local(), index())


@pytest.fixture
def few(provmat, tmp_path, local, index):
    """Some of its results."""
    return make(provmat, stores.few(tmp_path), local(), index())


def actions(done):
    counts = {}
    for row in done.rows.values():
        counts[row["action"]] = counts.get(row["action"], 0) + 1
    return counts


def ago(**delta):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**delta)).isoformat()


def uses(job, result=SIM, at=None, **more):
    return {"type": "ResultReused", "job_id": job, "occurred_at": at or ago(days=9), "result": result, "kind": "sim", **more}


def status(job, word, at=None):
    return {"type": "JobStatusChanged", "job_id": job, "status": word, "occurred_at": at or ago(days=9)}


# ---- the plan ----

def test_without_a_selection_it_refuses(world):
    before = world.files()
    for arguments in ((), ("--force",), ("--in-use", "--no-event", "--force")):
        done = world.clear(*arguments, check=2)
        assert "--all" in done.err and not done.stdout
    assert world.files() == before


def test_a_plan_changes_nothing(world):
    before, events = world.files(), world.events()
    done = world.clear("--all")
    assert actions(done) == {"delete": 69} and "69 results would be deleted" in done.err and "--force" in done.err
    assert world.files() == before and world.events() == events


def test_the_plan_tells_who_used_what(world):
    done = world.clear("--kind", "agg")
    assert any(row["reused_by"] for row in done.rows.values())
    for path, row in done.rows.items():
        shown = world.provmat.json_rows("query", "jobs", "--result", path, "--index", world.index, check=(0, 1))
        for role in ("computed", "reused"):
            want = sorted((job["job_id"], job["at"]) for job in shown if job["role"] == role)
            assert sorted((job["job_id"], job["at"]) for job in row[role + "_by"]) == want
        assert row["jobs"] == len(row["computed_by"]) + len(row["reused_by"])
        assert row["last_used_at"] == json.loads(world("query", "result", path, check=(0, 1)).stdout or '{"last_used_at":null}')["last_used_at"]
        here = list((world.root / path).iterdir())
        assert (row["files"], row["bytes"]) == (len(here), sum(file.stat().st_size for file in here))


def test_totals_in_every_format(world):
    document = json.loads(world("store", "clear", world.root, "--kind", "agg", "-f", "json").stdout)
    assert document["totals"]["results"] == len(document["rows"]) == 27
    assert document["totals"]["bytes"] == sum(row["bytes"] for row in document["rows"])
    jobs = {job["job_id"] for row in document["rows"] for job in row["computed_by"]}
    assert document["totals"]["computed_by"] == len(jobs) and document["index"] == {"complete": "yes"}
    table = list(csv.DictReader(io.StringIO(world("store", "clear", world.root, "--kind", "agg", "-f", "csv").stdout.decode())))
    assert [row["result"] for row in table] == sorted(row["result"] for row in document["rows"])
    assert "27 results would be deleted" in world("store", "clear", world.root, "--kind", "agg", "-f", "table").err


# ---- the selection ----

def test_flags_combine(world):
    every = world.clear("--all").rows
    assert set(world.clear("--schema", "token").rows) == set(every)
    assert world.clear("--schema", "bundle", check=1).rows == {}
    ported = set(world.clear("--schema", "token-port").rows)
    assert ported == {path for path in every if "/5000/" in path} != set()
    sims = set(world.clear("--kind", "sim").rows)
    assert sims == {path for path in every if "/sims/" in path}
    assert set(world.clear("--schema", "token-port", "--kind", "sim").rows) == ported & sims
    digest = {path for path, row in every.items() if row["bundle_digest"] == BUNDLE}
    assert set(world.clear("--bundle", BUNDLE[:6]).rows) == digest < set(every)
    assert set(world.clear("--bundle", "sha256:" + BUNDLE.upper()).rows) == digest
    assert "write 6 to 64" in world.clear("--bundle", "4f4", check=2).err
    prefix = SIM.rsplit("/", 1)[0]
    assert set(world.clear("--path-prefix", prefix).rows) == {path for path in every if path.startswith(prefix)}
    assert world.clear("--all", "--kind", "agg", "--path-prefix", prefix, check=1).rows == {}


def test_by_age(world):
    every = world.clear("--all").rows
    times = sorted(row["at"] for row in every.values())
    middle = times[len(times) // 2]
    older = {path for path, row in every.items() if row["at"] < middle}
    assert set(world.clear("--older-than", middle).rows) == older != set()
    assert len(world.clear("--older-than", "1s").rows) == 69
    assert world.clear("--older-than", "9999d", check=1).rows == {}
    edit(world.root / SIM / "metadata.json", lambda data: data.update(timestamp=ago(hours=30)))
    assert SIM not in world.clear("--older-than", "2d").rows and SIM in world.clear("--older-than", "1d").rows
    for wrong in ("30", "d", "30y", "-3d", "1.5d", "yesterday", "99999999999999999999d"):
        assert "--older-than" in world.clear("--older-than", wrong, check=2).err


def test_by_last_use(world):
    every = world.clear("--all").rows
    since = "2026-01-07T08:30:00Z"
    unused = {path for path, row in every.items() if max(row["at"], row["last_used_at"] or "") < since}
    assert set(world.clear("--unused-for", since).rows) == unused and 0 < len(unused) < 69
    world.tell(uses("job-late", result=min(unused), at=ago(days=2)))
    assert min(unused) in world.clear("--unused-for", "1d").rows
    assert min(unused) not in world.clear("--unused-for", "3d").rows
    edit(world.root / SIM / "metadata.json", lambda data: data.update(timestamp=ago(hours=30)))  # stored anew, and not used since
    assert SIM not in world.clear("--unused-for", "2d").rows and SIM in world.clear("--unused-for", "1d").rows


def test_by_reference_count(world):
    every = world.clear("--all").rows
    for n in (0, 1, 2):
        assert set(world.clear("--max-jobs", n, check=(0, 1)).rows) == {path for path, row in every.items() if row["jobs"] <= n}
        assert set(world.clear("--max-reuses", n).rows) == {path for path, row in every.items() if len(row["reused_by"]) <= n}
    world.tell(uses("job-one-more", result=SIM))
    assert world.clear("--path-prefix", SIM).rows[SIM]["jobs"] == every[SIM]["jobs"] + 1


def test_half_written_and_broken_ones(world):
    (world.root / SIM / "result.json").unlink()
    for file in (world.root / OTHER).iterdir():
        file.unlink()
    (world.root / AGG / "result.json").write_text("{")
    done = world.clear("--state", "half-written", check=1)
    assert {path: row["action"] for path, row in done.rows.items()} == {SIM: "keep", OTHER: "keep"}
    assert all("writer may be at work" in row["reason"] for row in done.rows.values())
    for path in (SIM, OTHER):
        os.utime(world.root / path, (1, time.time() - 7200))
    done = world.force("--state", "half-written")
    assert actions(done) == {"deleted": 2} and not (world.root / SIM).exists() and not (world.root / OTHER).exists()
    assert actions(world.force("--state", "broken")) == {"deleted": 1}
    (world.root / SIM).mkdir()
    assert actions(world.force("--state", "half-written", "--in-use")) == {"deleted": 1}


def test_what_a_put_left(few, tmp_path):
    """A put's directory is no result: who writes to it decides, and nobody is told."""
    os.mkfifo(tmp_path / "pipe")
    put = few.provmat.start("--log", few.log, "store", "put", few.root, "--job", "j", "--params", '{"x":1}', "--set", "seed=5", "--set", "entrypoint=m/b",
                            "--set", f"bundle_ref=sha256:{BUNDLE}", "--output", f"out={tmp_path}/pipe")
    pipe = os.open(tmp_path / "pipe", os.O_WRONLY)  # waits until the put reads
    try:
        wait = time.monotonic() + 60
        while not (pending := list(few.root.rglob(".provmat-put-*"))) and time.monotonic() < wait:
            time.sleep(0.01)
        path = str(pending[0].relative_to(few.root))
        row = few.force("--state", "half-written", check=1).rows[path]
        assert row["action"] == "keep" and "writer" in row["reason"] and pending[0].is_dir()
        put.kill()
        put.wait(60)
    finally:
        os.close(pipe)
        put.stdout.close()
        put.stderr.close()
    assert few.force("--state", "half-written").rows[path]["action"] == "deleted" and not pending[0].parent.exists()
    assert few.deletions() == []


@pytest.mark.parametrize("name", stores.GENERATIONS)
def test_every_generation(provmat, tmp_path, local, index, name):
    root, truth = stores.generation(name, tmp_path)
    world = Clearing(provmat, root, local(), index())
    torn = {item["path"] for item in truth if "torn" in item}
    world.adopt(check=6 if torn else 0)
    world.materialize()
    extra = world.files() - {str(part) for item in truth for path in ([root / item["path"], *(root / item["path"]).rglob("*")])
                             for part in (path.relative_to(root), *path.relative_to(root).parents)}
    done = world.force("--all", "--in-use")
    assert set(done.rows) == {item["path"] for item in truth} and actions(done) == {"deleted": len(truth)}
    assert {event["result"] for event in world.deletions()} == set(done.rows)
    left = {path for path in world.files() if (root / path).is_file()}
    assert left == {path for path in extra if (root / path).is_file() and not path.endswith("metadata.json")}
    world.materialize()
    assert provmat("store", "list", root, check=1).stdout == b""
    codes = {json.loads(line)["code"] for line in world("store", "check", root, check=(0, 1)).stdout.splitlines()}
    assert codes <= {"foreign"}, "the index was told"


# ---- deleting ----

def test_force(world):
    aggs = set(world.clear("--kind", "agg").rows)
    before = world.files()
    done = world.force("--kind", "agg")
    assert actions(done) == {"deleted": 27} and "27 results deleted" in done.err
    gone = before - world.files()
    assert {path for path in gone if (path in aggs)} == aggs and not any("/sims/" in path for path in gone)
    assert not (world.root / "token/v1/aggs").exists(), "directories that are empty now are gone"
    events = world.deletions()
    assert sorted(event["result"] for event in events) == sorted(aggs) and all("job_id" not in event for event in events)
    world.materialize()
    for path in aggs:
        shown = json.loads(world("query", "result", path).stdout)
        assert shown["deleted_at"] and shown["computed_by"] == done.rows[path]["computed_by"], "attribution stays"
    codes = {row["code"] for row in map(json.loads, world("store", "check", world.root, check=(0, 1)).stdout.splitlines())}
    assert codes <= {"two_identities"}
    assert world.force("--kind", "agg", check=1).rows == {}
    assert len(world.deletions()) == 27


def test_the_same_again_without_materializing(world):
    """What the index lacks are the deletions of the run before, which say nothing of use."""
    world.force("--kind", "agg")
    assert actions(world.force("--kind", "sim")) == {"deleted": 42}
    assert world.left() == set() and len(world.deletions()) == 69


def test_a_result_that_was_computed_again_is_there(world):
    shutil.copytree(world.root / SIM, world.root.parent / "kept")
    world.force("--path-prefix", SIM)
    shutil.copytree(world.root.parent / "kept", world.root / SIM)
    world.tell({"type": "ResultComputed", "job_id": "j", "result": SIM, "kind": "sim"}, status("j", "succeeded"))
    assert json.loads(world("query", "result", SIM).stdout)["deleted_at"] is None
    assert actions(world.force("--path-prefix", SIM)) == {"deleted": 1}
    world.materialize()
    assert json.loads(world("query", "result", SIM).stdout)["deleted_at"] and len(world.deletions()) == 2


def test_an_event_a_little_in_the_future(few):
    """Clocks differ: the deletion is later than what it deletes."""
    at = ago(hours=-2)
    few.tell({"type": "ResultComputed", "job_id": "j", "result": SIM, "kind": "sim", "occurred_at": at}, status("j", "succeeded"))
    few.force("--path-prefix", SIM)
    few.materialize()
    assert json.loads(few("query", "result", SIM).stdout)["deleted_at"] > at.replace("+00:00", "Z")


# ---- what is kept ----

@pytest.mark.parametrize("event", [uses(JOB), {"type": "ResultComputed", "job_id": JOB, "result": SIM, "kind": "sim", "occurred_at": ago(days=9)},
                                   {"type": "ResultsExpected", "job_id": JOB, "occurred_at": ago(days=9), "results": [SIM]}],
                         ids=["reused", "computed", "expected"])
@pytest.mark.parametrize("word", ["running", "pending"])
def test_what_a_running_job_uses_is_kept(few, event, word):
    few.tell(event, status(JOB, word))
    done = few.force("--path-prefix", SIM, check=1)
    row = done.rows[SIM]
    assert row["action"] == "keep" and JOB in row["reason"] and (few.root / SIM).exists() and few.deletions() == []
    assert [(job["job_id"], job["status"]) for job in row["hurt"]] == [(JOB, word)]
    plan = few("store", "clear", few.root, "--path-prefix", SIM, "--in-use", "-f", "json")
    assert json.loads(plan.stdout)["totals"]["hurt"] == 1 and "1 job that has not ended" in plan.err
    few.tell(status(JOB, "succeeded", ago(days=8)))
    assert few.force("--path-prefix", SIM).rows[SIM]["action"] == "deleted"


def test_a_failed_one_hurts_nobody(few):
    few.tell({"type": "ResultFailed", "job_id": JOB, "result": SIM, "kind": "sim", "occurred_at": ago(days=9),
              "error": {"type": "E", "message": "m", "retryable": False}}, status(JOB, "running"))
    row = few.clear("--path-prefix", SIM).rows[SIM]
    assert row["action"] == "delete" and row["hurt"] == []


def test_in_use_deletes_all_the_same(few):
    few.tell(uses(JOB), status(JOB, "running"))
    row = few.force("--path-prefix", SIM, "--in-use").rows[SIM]
    assert row["action"] == "deleted" and row["hurt"][0]["job_id"] == JOB


def test_a_job_that_tells_no_status(few):
    few.tell(uses(JOB, at=ago(hours=3)))
    assert few.clear("--path-prefix", SIM, check=1).rows[SIM]["action"] == "keep"
    assert few.clear("--path-prefix", SIM, "--dead-after", "2h").rows[SIM]["action"] == "delete"
    few.tell(uses("job-old", result=OTHER, at=ago(hours=30)))
    assert few.clear("--path-prefix", OTHER).rows[OTHER]["action"] == "delete"
    assert few.clear("--path-prefix", OTHER, "--dead-after", "3d", check=1).rows[OTHER]["action"] == "keep"


def test_a_job_that_was_killed(few):
    few.tell(uses(JOB), status(JOB, "running"))
    assert few.clear("--path-prefix", SIM, "--dead-after", "10d", check=1).rows[SIM]["action"] == "keep"
    assert few.clear("--path-prefix", SIM, "--dead-after", "1d").rows[SIM]["action"] == "delete"


def foreign_file(root):
    (root / SIM / "notes.txt").write_text("mine")


def foreign_directory(root):
    (root / SIM / "artifact_more").mkdir()


def symlink_inside(root):
    (root.parent / "precious").write_text("x")
    (root / SIM / "artifact_link.arrow").symlink_to(root.parent / "precious")


def test_what_changes_while_the_store_is_read(few, tmp_path):
    """As a clock shows it that is a day behind: all of the store is younger than the run."""
    flags = (PROGRAM.parent / "flags").read_text() if (PROGRAM.parent / "flags").exists() else ""
    if "-fsanitize" in flags:
        pytest.skip("a sanitizer wants to be the first library")
    library, clock = tmp_path / "clock.so", tmp_path / "clock"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, ROOT / "tests/tools/preload/clock.c"], check=True)
    clock.write_text("-86400")
    done = few.force("--path-prefix", SIM, env={"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}, check=1)
    assert done.rows[SIM]["action"] == "keep" and "changed while the store was read" in done.rows[SIM]["reason"]
    assert (few.root / SIM).exists() and few.deletions() == []


@pytest.mark.parametrize("plant", [foreign_file, foreign_directory, symlink_inside])
def test_what_belongs_to_no_result_is_not_touched(few, plant):
    plant(few.root)
    before = {path for path in few.files() if path.startswith(SIM)}
    done = few.force("--path-prefix", SIM, check=1)
    assert done.rows[SIM]["action"] == "keep" and "belongs to no result" in done.rows[SIM]["reason"]
    assert {path for path in few.files() if path.startswith(SIM)} == before and few.deletions() == []


def test_views_links_and_foreign_files(world):
    view = world.root / "token/v1/views/jobs/j/sims/copy"
    shutil.copytree(world.root / SIM, view)
    (world.root / "README").write_text("mine")
    (world.root / SIM).parent.joinpath("notes").write_text("mine")
    outside = world.root.parent / "outside"
    shutil.copytree(world.root / SIM, outside / "result")
    (world.root / "token/v1/sims/link").symlink_to(outside)
    world.force("--all")
    assert {path for path in world.files() if (world.root / path).is_file() and "views" not in path} == {
        "README", str(Path(SIM).parent / "notes")}
    assert len(list(view.iterdir())) == 7 == len(list((outside / "result").iterdir())) and (world.root / "token/v1/sims/link").is_symlink()


def test_names_that_no_event_can_have(few):
    strange = os.fsencode(few.root) + b"/token/v1/sims/\xff\n"
    shutil.copytree(os.fsencode(few.root / SIM), strange)
    done = few.force("--path-prefix", "token/v1/sims/\udcff".encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))
    assert [row["action"] for row in done.rows.values()] == ["deleted"] and not os.path.exists(strange) and few.deletions() == []


# ---- the plan that somebody has read ----

def test_a_plan_that_was_read(world, tmp_path):
    plan = world.clear("--kind", "agg").stdout.decode().splitlines()
    wanted = plan[3:8]
    file = tmp_path / "plan.ndjson"
    file.write_text("\n".join(wanted) + "\n\n")
    paths = {json.loads(line)["result"] for line in wanted}
    assert set(world.clear("--plan", file).rows) == paths
    done = world.force("--plan", file)
    assert set(done.rows) == paths and actions(done) == {"deleted": 5} and len(world.listed()) == 64
    assert actions(world.force("--plan", file, check=1)) == {"gone": 5}
    assert actions(world.force("--plan", "-", input="\n".join(plan))) == {"deleted": 22, "gone": 5}


def test_a_plan_and_flags(world, tmp_path):
    file = tmp_path / "plan"
    file.write_bytes(world.clear("--all").stdout)
    done = world.force("--plan", file, "--kind", "agg", "--path-prefix", AGG)
    assert done.rows[AGG]["action"] == "deleted" and actions(done) == {"deleted": 1, "gone": 68}
    assert len(world.listed()) == 68


def test_only_what_the_plan_saw(few, tmp_path):
    """A result that was written anew, or is in use by now, stays."""
    file = tmp_path / "plan"
    file.write_bytes(few.clear("--path-prefix", SIM.rsplit("/", 1)[0]).stdout)
    shutil.copytree(few.root / SIM, few.root.parent / "again")
    shutil.rmtree(few.root / SIM)
    (few.root.parent / "again").rename(few.root / SIM)
    few.tell(uses(JOB, result=OTHER), status(JOB, "running"))
    done = few.force("--plan", file, check=6)
    assert done.rows[SIM]["action"] == "changed" and done.rows[OTHER]["action"] == "keep" and f"{SIM}: changed" in done.err
    assert (few.root / SIM).exists() and (few.root / OTHER).exists() and actions(done)["deleted"] == len(done.rows) - 2


@pytest.mark.parametrize("line, word", [
    ('{"result":"a"', "plan:2"), ('["a"]', "plan:2"), ('{"action":"delete"}', "missing"), ('{"result":"a","action":"delete"}', "version"),
    ('{"result":"a","action":"delete","version":"12"}', "version")])
def test_a_plan_that_is_none(few, tmp_path, line, word):
    file = tmp_path / "plan"
    file.write_text('{"result":"x","action":"keep","version":null}\n' + line + "\n")
    assert word in few.force("--plan", file, check=2).err
    assert "could not open" in few.force("--plan", tmp_path / "absent", check=2).err


def test_an_empty_plan_deletes_nothing(few, tmp_path):
    (tmp_path / "plan").touch()
    before = few.files()
    assert few.force("--plan", tmp_path / "plan", check=1).rows == {} and few.files() == before


def test_limit_is_no_selection(few):
    before = few.files()
    assert len(few.clear("--all", "--limit", 2).rows) == 2
    assert "--limit" in few.force("--all", "--limit", 2, check=2).err and few.files() == before


# ---- the index, and who is told ----

def test_without_an_index(provmat, tmp_path, local, index):
    world = Clearing(provmat, stores.few(tmp_path), local(), index())
    done = world.clear("--all")
    assert "no index" in done.err and all(row["jobs"] is row["hurt"] is row["computed_by"] is None for row in done.rows.values())
    for flag in ("--max-jobs=1", "--max-reuses=1", "--unused-for=1d"):
        assert "materialize" in world.clear(flag, check=3).err
        assert "--no-index" in world.clear(flag, "--no-index", check=2).err
    before = world.files()
    assert "--no-index" in world.force("--all", check=3).err and world.files() == before
    world.force("--all", "--no-index")
    assert world.left() == set() and {event["result"] for event in world.deletions()} == set(done.rows)


def test_an_index_that_is_behind(few):
    few.provmat.emit(few.log, [uses(JOB), status(JOB, "running")])
    before = few.files()
    assert "behind" in few.clear("--path-prefix", SIM).err
    for arguments in (("--path-prefix", SIM, "--force"), ("--max-jobs", 9), ("--unused-for", "1d"), ("--max-reuses", 9)):
        done = few.clear(*arguments, check=5)
        assert "materialize --once" in done.err and "2 records behind" in done.err
    assert "records behind" in few.force("--path-prefix", SIM, "--max-lag", 1, check=5).err
    assert few.files() == before
    assert few.clear("--path-prefix", SIM, "--max-reuses", 9, "--max-lag", 2).rows[SIM]["action"] == "delete"
    assert few.force("--path-prefix", SIM, "--stale-index").rows[SIM]["action"] == "deleted"


def test_an_index_whose_log_is_away(few):
    os.rename(few.log.removeprefix("local:"), few.log.removeprefix("local:") + "-away")
    before = few.files()
    done = few.provmat("--index", few.index, "store", "clear", few.root, "--all", "--force", check=5)
    assert "could not be asked" in done.err and few.files() == before


def test_an_index_until_some_time_is_not_complete(few):
    few("rebuild", "--until", "2026-01-06T00:00:00Z")
    assert "events are missing" in few.force("--all", check=5).err


def test_an_index_of_another_log(few, local):
    few.provmat.emit(other := local(), stores.events())
    before = few.files()
    few.provmat("--log", other, "--index", few.index, "store", "clear", few.root, "--all", "--force", check=3)
    assert few.files() == before


def test_the_log_of_the_index_is_told(few):
    few.provmat("--index", few.index, "store", "clear", few.root, "--path-prefix", SIM, "--force")
    assert [event["result"] for event in few.deletions()] == [SIM]


def test_somebody_must_be_told(few):
    before = few.files()
    words = ("store", "clear", few.root, "--all", "--no-index", "--force")
    assert "--no-event" in few.provmat(*words, check=2).err and few.files() == before
    few.provmat(*words, "--no-event")
    assert few.files() == set() and few.deletions() == [] and not (few.provmat.cwd / "provmat-data").exists()


def test_a_log_that_cannot_be_written_to(few, tmp_path):
    """Nothing is taken out of its place then."""
    before = few.files()
    few.provmat("--log", "kafka://127.0.0.1:1/none", "-X", "provmat.timeout.ms=500", "store", "clear", few.root, "--all", "--no-index", "--force",
                check=4)
    assert few.files() == before


def test_outbox(few, tmp_path):
    few.force("--path-prefix", SIM, "--outbox", tmp_path / "outbox")
    assert [event["result"] for event in few.deletions()] == [SIM]
    away = "kafka://127.0.0.1:1/none"
    done = few.provmat("--log", away, "-X", "provmat.timeout.ms=500", "store", "clear", few.root, "--path-prefix", OTHER, "--no-index", "--force",
                       "--outbox", tmp_path / "outbox")
    assert "outbox drain" in done.err and not (few.root / OTHER).exists() and len(few.deletions()) == 1
    few("outbox", "drain", tmp_path / "outbox")
    assert [event["result"] for event in few.deletions()] == [SIM, OTHER]
    assert "--outbox" in few.force("--all", "--no-event", "--outbox", tmp_path / "outbox", check=2).err


# ---- killed, raced, refused ----

@pytest.fixture(scope="session")
def steps(tmp_path_factory):
    flags = (PROGRAM.parent / "flags").read_text() if (PROGRAM.parent / "flags").exists() else ""
    if "-fsanitize" in flags:
        pytest.skip("a sanitizer wants to be the first library")
    out = tmp_path_factory.mktemp("preload") / "steps.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", out, ROOT / "tests/tools/preload/steps.c", "-ldl"], check=True)

    def environment(call, number, when, what):
        return {"LD_PRELOAD": str(out), "STEP_CALL": call, "STEP_N": str(number), "STEP_WHEN": when, "STEP_DO": what}
    return environment


PLACES = [("renameat2", 1, "before", 0), ("renameat2", 1, "after", 0), ("renameat2", 3, "after", 0), ("fsync", 1, "before", 0),
          ("fsync", 1, "after", 0), ("unlinkat", 1, "before", 3), ("unlinkat", 4, "after", 3), ("unlinkat", 8, "before", 3),
          ("unlinkat", 8, "after", 3), ("unlinkat", 9, "after", 3)]


@pytest.mark.parametrize("call, number, when, told", PLACES, ids=[f"{when} {call} {n}" for call, n, when, _ in PLACES])
def test_killed(few, steps, call, number, when, told):
    """A rename, an event or an unlink may be the last thing that happens: the next run ends it and tells of each result once."""
    planned = few.clear("--path-prefix", SIM.rsplit("/", 1)[0]).rows
    assert len(planned) == 3
    others = few.listed() - set(planned)
    plan = "".join(json.dumps(row) + "\n" for row in planned.values())
    few.force("--plan", "-", input=plan, env=steps(call, number, when, "kill"), check=-signal.SIGKILL)
    assert len(few.deletions()) == told
    for path in planned:  # all of it or nothing
        assert not (few.root / path).exists() or len(list((few.root / path).iterdir())) == 7
    half = [path for path in few.root.rglob(".*.deleted-*")]
    found = [json.loads(line) for line in few("store", "scan", few.root, check=(0, 1)).stdout.splitlines()]
    assert sorted(row["path"] for row in found if row["code"] == "half_deleted") == sorted(str(path.relative_to(few.root)) for path in half)
    assert {row["code"] for row in found} <= {"half_deleted"}
    finished = few.clear("--plan", "-", input=plan, check=(0, 1))
    assert sum(row["action"] == "finish" for row in finished.rows.values()) == len(half)
    done = few.force("--plan", "-", input=plan, check=(0, 1))
    assert set(actions(done)) <= {"deleted", "finished", "gone"}
    assert few.listed() == others and not list(few.root.rglob(".*.deleted-*"))
    events = few.deletions()
    ids = {event["event_id"] for event in events}
    assert len(ids) == 3 and {event["result"] for event in events} == set(planned), "one event a result"
    few.materialize()
    assert {path for path in planned if json.loads(few("query", "result", path).stdout)["deleted_at"]} == set(planned)
    few("verify", "--against-log")


def test_a_cache_file_that_was_half_deleted(provmat, tmp_path, local, index, steps):
    root, truth = stores.generation("c1-pickle", tmp_path)
    world = Clearing(provmat, root, local(), index())
    world.adopt()
    world.materialize()
    path = truth[0]["path"]
    world.force("--path-prefix", path, env=steps("renameat2", 1, "after", "kill"), check=-signal.SIGKILL)
    assert not (root / path).exists() and path not in world.listed()
    assert [row["code"] for row in provmat.json_rows("store", "scan", root, check=1)] in (["half_deleted"], ["half_deleted", "half_written"])
    assert world.force("--path-prefix", path).rows[path]["action"] == "finished"
    assert [event["result"] for event in world.deletions()] == [path] and not list(root.rglob(".*.deleted-*"))


def command(few, *arguments):
    return shlex.join([str(PROGRAM), "--log", few.log, "--index", few.index, *map(str, arguments)])


def test_two_at_once(world, steps, tmp_path):
    """The second one begins and ends while the first one is in the middle: nothing is told twice, nothing is left."""
    second = command(world, "store", "clear", world.root, "--all", "--force") + f" > {tmp_path}/second 2> {tmp_path}/err || true"
    done = world.force("--all", env=steps("fsync", 1, "before", second))
    rows = [json.loads(line) for line in (tmp_path / "second").read_text().splitlines()]
    assert actions(done) == {"deleted": 69} and len(rows) == 69 and {row["action"] for row in rows} == {"gone"}
    assert "another run" in rows[0]["reason"] and world.left() == set() and len(world.deletions()) == 69


def test_two_at_once_before_the_rename(world, steps, tmp_path):
    second = command(world, "store", "clear", world.root, "--all", "--force") + f" > {tmp_path}/second"
    done = world.force("--all", env=steps("renameat2", 1, "before", second + " 2> /dev/null || true"))
    rows = {row["result"]: row["action"] for row in map(json.loads, (tmp_path / "second").read_text().splitlines())}
    assert world.left() == set() and len(world.deletions()) == 69
    assert all((row["action"] == "deleted") != (rows[path] == "deleted") for path, row in done.rows.items())


CHANGES = {
    "a file more": "touch {result}/artifact_more.arrow",
    "another text": "echo >> {result}/result.json",
    "replaced": "cp -rp {result} {result}.new; mv {result} {store}/../old; mv {result}.new {result}",
    "a link in its place": "mv {result} {store}/../old; ln -s ../../../../../../../old {result}",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", [1, 2])
def test_changed_in_between(few, steps, change, when):
    """Before the first rename the second result is changed; and right before its own rename."""
    paths = sorted((SIM, OTHER))
    plan = "".join(json.dumps(row) + "\n" for row in few.clear("--path-prefix", SIM[:-3]).rows.values() if row["result"] in paths)
    result = few.root / paths[1]
    done = few.force("--plan", "-", input=plan, env=steps("renameat2", when, "before", change.format(result=result, store=few.root)), check=(0, 6))
    row = done.rows[paths[1]]
    assert row["action"] in ("changed", "failed", "gone") and row["reason"], row
    assert len(few.deletions()) == 1 and not list(few.root.rglob(".*.deleted-*"))
    assert len(list((few.root.parent / "old" if result.is_symlink() else result).iterdir())) >= 7, "what a link leads to is not touched"


def test_a_link_above(few, steps):
    """A directory on the way is a link by the time that its results' turn comes."""
    paths = sorted(few.clear("--all").rows)
    before, shard = paths[0], (few.root / SIM).parent
    assert before == AGG or not before.startswith(str(Path(SIM).parent))
    old = few.root.parent / "old"
    done = few.force("--all", env=steps("renameat2", 1, "before", f"mv {shard} {old}; ln -s {old} {shard}"), check=6)
    assert done.rows[SIM]["action"] == "changed" and done.rows[before]["action"] == "deleted"
    assert len(list(old.rglob("*.json"))) >= 6 and shard.is_symlink() and SIM not in {event["result"] for event in few.deletions()}


def test_a_writer_makes_the_directory_that_goes(few, steps):
    """An empty directory is removed only while it is empty."""
    shard = (few.root / SIM).parent
    few.force("--path-prefix", str(Path(SIM).parent), env=steps("unlinkat", 8, "after", f"mkdir -p {shard}/seed_5; touch {shard}/seed_5/artifact_x.arrow"))
    assert (shard / "seed_5/artifact_x.arrow").exists()


def test_a_log_that_fails_in_between(few, steps, disk):
    """The disk of the log is full by then: half-deleted, told, and ended by the next run."""
    folder = disk("4m")
    log, world = f"local:{folder}/log", None
    few.provmat.emit(log, stores.events()[:1])
    world = Clearing(few.provmat, few.root, log, few.index + "-of-it")
    world.materialize()
    done = world.force("--path-prefix", SIM, env=steps("fsync", 1, "before", f"dd if=/dev/zero of={folder}/full 2> {few.root}/../dd || true"),
                       check=(0, 4))
    (folder / "full").unlink()
    if done.returncode == 0:
        pytest.skip("one record still found room in the log")
    assert done.rows[SIM]["action"] == "failed" and "half-deleted" in done.rows[SIM]["reason"] and not (few.root / SIM).exists()
    assert world.force("--path-prefix", SIM).rows[SIM]["action"] == "finished"
    assert [event["result"] for event in world.deletions()] == [SIM] and not list(few.root.rglob(".*.deleted-*"))


def test_interrupted(world, steps):
    done = world.force("--all", env=steps("renameat2", 5, "after", "kill $PPID"), check=(3, -signal.SIGTERM))
    deleted = {path for path, row in done.rows.items() if row["action"] == "deleted"}
    assert len(deleted) == 5 and len(world.deletions()) == 5 and len(world.listed()) == 64 and "interrupted" in done.err
    assert actions(world.force("--all")) == {"deleted": 64}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without rights")
def test_permission_denied(few):
    base = Path(tempfile.mkdtemp(prefix="provmat-denied-"))
    try:
        base.chmod(0o777)
        shutil.copytree(few.root, base / "store")
        shutil.copy(PROGRAM, base / "provmat")
        for path in [base / "store", *(base / "store").rglob("*")]:
            os.chown(path, 65534, 65534)
        (base / "store" / AGG).chmod(0)
        (base / "store" / SIM).chmod(0o555)
        shard = (base / "store" / SIM).parent
        os.chown(base / "store" / OTHER, 0, 0)
        done = Provmat(base).start("store", "clear", base / "store", "--all", "--no-index", "--log", f"local:{base}/log", "--force", env={"HOME": "/"},
                                   preexec_fn=lambda: os.setuid(65534), executable=base / "provmat")
        out, err = done.communicate(timeout=60)
        rows = {row["result"]: row for row in map(json.loads, out.decode().splitlines())}
        assert done.returncode == 6, err
        assert {path for path, row in rows.items() if row["action"] == "failed"} == {SIM, OTHER}
        assert all("Permission denied" in rows[path]["reason"] or "permission denied" in rows[path]["reason"] for path in (SIM, OTHER))
        assert AGG.encode() in err and AGG not in rows and SIM.encode() in err
        assert len(list((shard / "seed_1719579189").iterdir())) == 7
        assert all(row["action"] == "deleted" for path, row in rows.items() if path not in (SIM, OTHER)) and len(rows) > 3
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", base], check=False)
        shutil.rmtree(base)


def test_a_read_only_file_system(few, disk):
    store = disk("4m") / "store"
    shutil.copytree(few.root, store)
    subprocess.run(["mount", "-o", "remount,ro", store.parent], check=True)
    done = few("store", "clear", store, "--all", "--force", check=6)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows and {row["action"] for row in rows} == {"failed"} and few.deletions() == []


def test_a_reader_that_has_it_open(few):
    """What is open stays readable to whoever opened it; by its name it is gone at once."""
    with open(few.root / SIM / "result.json", encoding="utf-8") as file:
        few.force("--path-prefix", SIM)
        assert "outputs" in json.load(file)
    assert not (few.root / SIM).exists()


def test_a_store_that_is_not_there(few, tmp_path):
    assert "could not open the store" in few("store", "clear", tmp_path / "absent", "--all", check=2).err


def test_thousands(provmat, tmp_path, local, index):
    """More than one batch."""
    root = tmp_path / "store"
    for number in range(300):
        path = root / f"token/v1/sims/x/params_{number % 7}/seed_{number}"
        path.mkdir(parents=True)
        (path / "metadata.json").write_text("{}")
        (path / "result.json").write_text('{"outputs":{}}')
    world = Clearing(provmat, root, local(), index())
    assert actions(world.force("--all", "--no-index")) == {"deleted": 300}
    assert world.left() == set() and len({event["event_id"] for event in world.deletions()}) == 300
