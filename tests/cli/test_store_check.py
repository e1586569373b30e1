"""`provmat store check`: a store against the index, with planted differences, and the plan that settles them."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import stores
from conftest import PROGRAM, Provmat
from test_store import (AGG, SIM, changed_artifact, edit, empty_directory, foreign_file, moved_directory, newline_in_a_name, no_result,
                        symlink_out)
from test_store_adopt import World


@pytest.fixture
def world(provmat, tmp_path, local, index):
    """The real store, its events, and nothing unknown."""
    world = World(provmat, stores.small(tmp_path), local(), index())
    provmat.emit(world.log, stores.events())
    world.adopt()
    world.materialize()
    return world


def check(world, *arguments, status=1):
    return [json.loads(line) for line in world("store", "check", world.root, *arguments, check=status).stdout.decode().splitlines()]


def new(world, *arguments):
    """Findings beside the false hits that the real store has."""
    return [row for row in check(world, *arguments) if row["code"] != "two_identities"]


def settle(world):
    done = world("store", "check", world.root, "--repair-plan", check=1)
    events = [json.loads(line) for line in done.stdout.decode().splitlines()]
    world("emit", input=done.stdout)
    world.materialize()
    return events


def test_the_real_store(world, provmat, local, index):
    want = stores.expected()
    rows = check(world)
    assert {row["code"] for row in rows} == {"two_identities"}
    assert sorted((row["path"], row["what"]) for row in rows) == sorted((c["id"], c["what"]) for c in want["conflicts"])
    assert {row["path"] for row in rows} == {c["result"] for c in want["collisions"]}
    assert all("false_hit" in row["detail"] and row["found"] != row["expected"] for row in rows)
    unadopted = World(provmat, world.root, local(), index())
    provmat.emit(unadopted.log, stores.events())
    unadopted.materialize()
    rows = new(unadopted)
    assert {row["code"] for row in rows} == {"unknown"}
    assert sorted(row["path"] for row in rows) == sorted(want["unattributed"]["store_only"])
    plan = settle(unadopted)
    assert {event["event_id"] for event in plan} < {event["event_id"] for event in world.events()}, "as adopt makes them"
    assert new(unadopted) == []


def test_the_store_of_a_whole_week(provmat, tmp_path, local, index):
    """Lists, scans, checks, adopts and checks again with the numbers that the real code's own notes give."""
    want = stores.expected("week")
    world = World(provmat, stores.week(tmp_path), local(), index())
    provmat.emit(world.log, stores.events("week"))
    world.materialize()
    for row in provmat.json_rows("store", "stats", world.root):
        numbers = want["store"][row["area"]].pop(row["kind"])
        assert {key: row[key] for key in numbers} == numbers and row["whole"] == row["results"]
    assert want["store"] == {"token/v1": {}}
    there = sorted(path for path, row in want["results"].items() if row["in_store"])
    assert [row["result"] for row in provmat.json_rows("store", "list", world.root)] == there
    assert provmat("store", "scan", world.root).stdout == b""
    rows = check(world)
    conflicts = sorted((c["id"], c["what"]) for c in want["conflicts"])
    assert sorted((row["path"], row["what"]) for row in rows if row["code"] == "two_identities") == conflicts
    unknown = sorted(want["unattributed"]["store_only"])
    assert sorted(row["path"] for row in rows if row["code"] == "unknown") == unknown
    assert len(rows) == len(conflicts) + len(unknown)
    assert f"{len(unknown)} results adopted, {len(there) - len(unknown):,} known already" in world.adopt().err
    assert "0 results adopted" in world.adopt().err
    world.materialize()
    assert new(world) == []


@pytest.mark.parametrize("name", stores.GENERATIONS)
def test_every_generation(provmat, tmp_path, local, index, name):
    root, truth = stores.generation(name, tmp_path)
    world = World(provmat, root, local(), index())
    torn = sorted(item["path"] for item in truth if "torn" in item)
    world.adopt(check=6 if torn else 0)
    world.materialize()
    rows = check(world, status=1 if torn else 0)
    assert [(row["code"], row["path"]) for row in rows] == [("half_written", path) for path in torn]


def test_gone(world):
    shutil.rmtree(world.root / SIM)
    rows = new(world)
    assert [(row["code"], row["path"]) for row in rows] == [("gone", SIM)]
    plan = settle(world)
    assert [(event["type"], event["result"]) for event in plan] == [("ResultDeleted", SIM)]
    assert new(world) == []
    assert json.loads(world("query", "result", SIM).stdout)["deleted_at"] is not None


def test_what_was_only_expected_or_failed_is_not_gone(world):
    world.provmat.emit(world.log, [
        {"type": "ResultsExpected", "job_id": "j", "occurred_at": "2026-01-09T00:00:00Z", "results": ["token/v1/x"]},
        {"type": "ResultFailed", "job_id": "j", "occurred_at": "2026-01-09T00:00:00Z", "result": "token/v1/y", "kind": "sim",
         "error": {"type": "E", "message": "m", "retryable": False}}])
    world.materialize()
    assert new(world) == []


def test_deleted_and_present(world):
    world.provmat.emit(world.log, [{"type": "ResultDeleted", "occurred_at": "2026-01-09T00:00:00Z", "result": SIM}])
    world.materialize()
    rows = new(world)
    assert [(row["code"], row["path"]) for row in rows] == [("deleted_present", SIM)] and "left-over" in rows[0]["detail"]
    assert [event["type"] for event in settle(world)] == ["ResultDiscovered"]
    assert new(world) == []


def test_only_reused(provmat, tmp_path, local, index):
    world = World(provmat, stores.small(tmp_path), local(), index())
    provmat.emit(world.log, [{"type": "ResultReused", "job_id": "j", "occurred_at": "2026-01-09T00:00:00Z", "result": SIM, "kind": "sim"}])
    world.materialize()
    row = next(row for row in check(world) if row["path"] == SIM)
    assert row["code"] == "unknown" and "reused" in row["detail"]


@pytest.mark.parametrize("field, value", [("entrypoint", "models.other/baseline"), ("seed", 7), ("bundle_digest", "b" * 64), ("kind", "agg")])
def test_another_identity(provmat, tmp_path, local, index, field, value):
    world = World(provmat, stores.small(tmp_path), local(), index())
    world.adopt()
    event = {"type": "ResultComputed", "job_id": "j", "occurred_at": "2026-01-09T00:00:00Z", "result": SIM, "kind": "sim", field: value}
    provmat.emit(world.log, [event])
    world.materialize()
    rows = check(world)
    assert [(row["code"], row["path"], row["what"]) for row in rows] == [("identity_differs", SIM, field), ("two_identities", SIM, field)]
    assert rows[0]["expected"] == str(value) != rows[0]["found"]


def test_another_outcome(world):
    edit(world.root / AGG / "result.json", lambda data: data.update(loss=0.25))
    rows = new(world)
    assert [(row["code"], row["path"], row["what"], row["found"]) for row in rows] == [("outcome_differs", AGG, "loss", "0.25")]
    assert rows[0]["expected"] == "8514105.673835125"


def test_another_output(world):
    edit(world.root / SIM / "result.json", lambda data: data["outputs"]["summary"].update(checksum="0" * 64))
    rows = new(world)
    assert {(row["code"], row["what"]) for row in rows} == {("artifact_checksum", "artifact_summary.arrow"), ("output_differs", "output:summary")}
    rows = new(world, "--sizes-only")
    assert [(row["code"], row["found"]) for row in rows] == [("output_differs", "0" * 64)]


def test_a_moved_directory(world):
    moved_directory(world.root)
    there = SIM.replace("seed_1719579189", "seed_5")
    assert sorted((row["code"], row["path"]) for row in new(world)) == [("gone", SIM), ("path_mismatch", there), ("unknown", there)]


def test_a_half_written_result_is_not_gone(world):
    no_result(world.root)
    assert [(row["code"], row["path"]) for row in new(world)] == [("half_written", SIM)]


def test_what_a_scan_finds_is_told_too(world):
    foreign_file(world.root)
    assert [row["code"] for row in new(world)] == ["foreign"]
    assert settle(world) == []


# ---- planted damage, seen by a check: (what is done, the findings it makes) ----

def many_entries(root):
    for number in range(10_000):
        (root / f"token/v1/sims/file{number}").touch()


MOVED = SIM.replace("seed_1719579189", "seed_5")
DAMAGE = [
    (no_result, {("half_written", SIM)}),
    (empty_directory, {("half_written", SIM)}),
    (changed_artifact, {("artifact_checksum", SIM)}),
    (moved_directory, {("path_mismatch", MOVED), ("unknown", MOVED), ("gone", SIM)}),
    (foreign_file, {("foreign", "token/v1/sims/README")}),
    (symlink_out, {("symlink", "token/v1/sims/link")}),
    (newline_in_a_name, {("bad_name", "token/v1/sims/a\\x0ab")}),
    (many_entries, {("foreign", f"token/v1/sims/file{number}") for number in range(10_000)}),
]


@pytest.fixture
def adopted(provmat, tmp_path, local, index):
    world = World(provmat, stores.few(tmp_path), local(), index())
    world.adopt()
    world.materialize()
    return world


@pytest.mark.parametrize("damage, findings", DAMAGE, ids=[item[0].__name__ for item in DAMAGE])
def test_damage(adopted, damage, findings):
    assert check(adopted, status=0) == []
    damage(adopted.root)
    rows = check(adopted)
    assert {(row["code"], row["path"]) for row in rows} == findings and len(rows) == len(findings)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without rights")
def test_permission_denied(adopted):
    base = Path(tempfile.mkdtemp(prefix="provmat-denied-"))
    try:
        base.chmod(0o755)
        shutil.copytree(adopted.root, base / "store")
        shutil.copytree(adopted.index, base / "index")
        shutil.copy(PROGRAM, base / "provmat")
        for path in (base / "index", *(base / "index").iterdir()):
            os.chown(path, 65534, 65534)
        (base / "store" / AGG).chmod(0)
        (base / "store" / SIM / "result.json").chmod(0)
        done = Provmat(base).start("--index", base / "index", "store", "check", base / "store", env={"HOME": "/"},
                                   preexec_fn=lambda: os.setuid(65534), executable=base / "provmat")
        out, _ = done.communicate(timeout=60)
    finally:
        shutil.rmtree(base)
    rows = [json.loads(line) for line in out.decode().splitlines()]
    assert done.returncode == 1
    assert {(row["code"], row["path"]) for row in rows} == {("unreadable", AGG), ("unreadable", SIM)}, "what cannot be seen is not gone"


def test_no_index(world):
    assert "no index" in world.provmat("--index", world.index + "-absent", "store", "check", world.root, check=3).err
    assert "could not open" in world("store", "check", world.root / "absent", check=2).err
