"""`provmat store adopt`: what no event tells of becomes ResultDiscovered, once."""

import json
import shutil

import pytest

import stores

SIM = "token/v1/sims/4f446dbc7bd0/31/78/params_7af9ded3/seed_1719579189"


class World:
    """A store, a log and an index."""

    def __init__(self, provmat, root, log, index):
        self.provmat, self.root, self.log, self.index = provmat, root, log, index

    def __call__(self, *arguments, **more):
        return self.provmat("--log", self.log, "--index", self.index, *arguments, **more)

    def adopt(self, *arguments, check=0):
        return self("store", "adopt", self.root, *arguments, check=check)

    def plan(self, check=0):
        done = self.adopt("--dry-run", check=check)
        return {row["result"]: row for row in map(json.loads, done.stdout.decode().splitlines())}

    def materialize(self):
        self("materialize", "--once")

    def events(self):
        return [json.loads(line) for line in self("replay").stdout.decode().splitlines()]

    def answers(self):
        return [self("query", *words, check=None).stdout for words in (("results",), ("jobs",), ("conflicts",), ("results", "--unattributed"))]


@pytest.fixture
def world(provmat, tmp_path, local, index):
    return World(provmat, stores.small(tmp_path), local(), index())


def actions(plan):
    counts = {}
    for row in plan.values():
        counts[row["action"]] = counts.get(row["action"], 0) + 1
    return counts


def test_only_what_no_event_tells_of(world):
    want = stores.expected()
    unknown = sorted(path for path, row in want["results"].items() if row["in_store"] and not row["in_log"])
    assert unknown == sorted(want["unattributed"]["store_only"])
    world.provmat.emit(world.log, stores.events())
    plan = world.plan()
    assert sorted(path for path, row in plan.items() if row["action"] == "adopted") == unknown
    assert actions(plan) == {"adopted": len(unknown), "known": sum(row["in_store"] for row in want["results"].values()) - len(unknown)}
    world.adopt()
    adopted = world.events()[want["totals"]["events"]:]
    assert sorted(event["result"] for event in adopted) == unknown
    assert all(event["type"] == "ResultDiscovered" and "job_id" not in event for event in adopted)
    world.materialize()
    found = {json.loads(line)["result"] for line in world("query", "results", "--unattributed").stdout.splitlines()}
    assert found == set(want["unattributed"]["no_job_computed"]) | set(unknown)
    assert len(world("query", "conflicts").stdout.splitlines()) == want["totals"]["conflicts"]


def test_twice_changes_nothing(world):
    """With an index that is up to date, with one that is behind, and with none."""
    world.adopt()
    events = world.events()
    assert "0 results adopted, 69 known" in world.adopt().err
    world.materialize()
    answers = world.answers()
    assert "0 results adopted, 69 known" in world.adopt().err
    assert world.events() == events
    world.provmat.emit(world.log, stores.events())  # the index is behind now
    world.adopt()
    assert len(world.events()) == len(events) + len(stores.events())
    # even what is appended again is the same event
    other = World(world.provmat, world.root, world.log + "-2", world.index + "-2")
    other.adopt()
    assert sorted(e["event_id"] for e in other.events()) == sorted(e["event_id"] for e in events)
    other("emit", input="".join(json.dumps(event) + "\n" for event in events))
    other.materialize()
    assert other.answers() == answers


def test_what_is_adopted_is_what_the_real_code_says(world):
    """Events that the platform itself made of these results say the same, but who and when."""
    world.adopt()
    mine = {event["result"]: event for event in world.events()}
    compared = 0
    for event in map(json.loads, stores.events()):
        if event["type"] not in ("ResultDiscovered", "ResultComputed") or event["result"] not in mine:
            continue
        found = mine[event["result"]]
        keys = ["kind", "schema", "schema_version", "target", "aggregation_id", "loss", "n_replicates", "input_task_ids", "diagnostics", "seed"]
        if event["type"] == "ResultDiscovered":
            assert set(event) - set(found) == set() and set(found) - set(event) <= {"event_id", "_partition", "_offset", "task_id"}
            keys += ["bundle_ref", "bundle_digest"]
        if event["kind"] == "sim" and event["type"] == "ResultComputed":
            keys += ["task_id", "outputs"]
        for key in keys:
            if key in event:
                assert found[key] == event[key], (event["result"], key)
        compared += 1
    assert compared > 60


@pytest.mark.parametrize("name", stores.GENERATIONS)
def test_every_generation(provmat, tmp_path, local, index, name):
    root, truth = stores.generation(name, tmp_path)
    world = World(provmat, root, local(), index())
    bad = [item["path"] for item in truth if "torn" in item]
    failed = [item["path"] for item in truth if "error" in item and name != "p1-first"]
    done = world.adopt(check=6 if bad else 0)
    assert f"{len(truth) - len(bad) - len(failed)} results adopted, 0 known already, 0 deleted since, {len(failed)} failed, {len(bad)} refused" in done.err
    assert all(path in done.err for path in bad)
    assert "0 results adopted" in world.adopt(check=6 if bad else 0).err
    world.materialize()
    for item in truth:
        if item["path"] in bad + failed:
            assert not world("query", "result", item["path"], check=1).stdout
            continue
        row = json.loads(world("query", "result", item["path"]).stdout)
        assert not row["attributed"] and row["conflicts"] == 0
        for key in ("kind", "schema", "schema_version", "entrypoint", "params", "target", "aggregation_id", "loss", "n_replicates"):
            if item.get(key) is not None:
                assert row[key] == item[key], key
        if item["kind"] == "sim":
            assert row["param_id"] == item["param_id"] and str(row["seed"]) == item["seed"]
        if (item.get("bundle_ref") or "").rpartition("sha256:")[1]:
            assert row["bundle_digest"] == item["bundle_ref"].rpartition("sha256:")[2]


def test_the_time_is_that_of_the_metadata_else_of_the_file(world, provmat, tmp_path, local, index):
    plan = world.plan()
    assert plan[SIM]["time"] == "metadata"
    assert plan[SIM]["at"].startswith(json.loads((world.root / SIM / "metadata.json").read_text())["timestamp"][:26])
    old, _ = stores.generation("p2-no-simroot", tmp_path)
    row = next(row for row in World(provmat, old, local(), index()).plan(check=6).values() if row["action"] == "adopted")
    assert row["time"] == "file" and row["at"] == "2026-01-01T00:00:00.000000Z"


def test_a_dry_run_makes_nothing(world, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert actions(world.plan()) == {"adopted": 69}
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interrupted_run_goes_on(world, tmp_path):
    hidden = tmp_path / "hidden"
    shutil.move(world.root / "token/v1/sims", hidden)
    world.adopt()
    assert len(world.events()) == 27
    shutil.move(hidden, world.root / "token/v1/sims")
    assert "42 results adopted, 27 known" in world.adopt().err
    assert len({event["event_id"] for event in world.events()}) == len(world.events()) == 69


@pytest.mark.parametrize("materialized", [True, False])
@pytest.mark.parametrize("deleted_at, action", [("2030-01-01T00:00:00Z", "deleted"), ("2020-01-01T00:00:00Z", "adopted")])
def test_what_was_deleted(world, deleted_at, action, materialized):
    """A file that is older than its deletion is a left-over; a younger one was written again."""
    world.provmat.emit(world.log, [{"type": "ResultDeleted", "occurred_at": deleted_at, "result": SIM}])
    if materialized:
        world.materialize()
    assert world.plan()[SIM]["action"] == action
    world.adopt()
    world.materialize()
    assert (json.loads(world("query", "result", SIM).stdout)["deleted_at"] is not None) == (action == "deleted")


def test_a_reuse_is_not_enough(world):
    world.provmat.emit(world.log, [{"type": "ResultReused", "job_id": "j", "occurred_at": "2026-01-09T00:00:00Z", "result": SIM, "kind": "sim"}])
    for _ in range(2):
        assert world.plan()[SIM]["action"] == "adopted"
        world.materialize()


def test_an_index_of_another_log(world, local):
    world.adopt()
    world.materialize()
    other = World(world.provmat, world.root, local(), world.index)
    other.provmat.emit(other.log, [{"type": "ResultDeleted", "occurred_at": "2026-01-01T00:00:00Z", "result": "x"}])
    assert "was made from" in other.adopt(check=3).err


def test_what_breaks_a_rule_is_refused(world):
    path = world.root / SIM / "metadata.json"
    data = json.loads(path.read_text())
    data["entrypoint"] = ""
    path.write_text(json.dumps(data))
    done = world.adopt(check=(0, 6))
    assert (done.returncode == 6) == ("1 refused" in done.err)
    assert len(world.events()) == (68 if done.returncode else 69)
