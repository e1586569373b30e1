"""`provmat snapshot`: a copy that is whole, or nothing that looks like one."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

import pytest

from test_index import follower, many_events, wait_until  # noqa: F401
from test_reference import digests

PARTIAL = "snapshot.partial"


@pytest.fixture
def filled(provmat, local, index):
    """(log, index) of 20,000 events: enough that a copy can be watched."""
    log, at = local(), index()
    provmat.emit(log, many_events())
    provmat("materialize", "--once", "--log", log, "--index", at)
    return log, at


def snapshot(provmat, at, target, **more):
    done = provmat("snapshot", target, "--index", at, "--format", "json", **more)
    return json.loads(done.stdout)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def assert_no_index(provmat, target):
    assert not os.path.exists(f"{target}/data.mdb")
    provmat("query", "jobs", "--index", target, check=3)


def test_what_it_says_and_what_it_leaves(provmat, filled, tmp_path):
    log, at = filled
    target = tmp_path / "new" / "copy"
    said = snapshot(provmat, at, target)
    stats = json.loads(provmat("stats", "--index", at, "--format", "json").stdout)
    assert os.listdir(target) == ["data.mdb"]
    assert (mode(target), mode(target.parent), mode(target / "data.mdb")) == (0o700, 0o700, 0o600)
    assert {key: said[key] for key in ("events", "results", "jobs", "pairs", "quarantined", "log")} == \
        {key: stats[key] for key in ("events", "results", "jobs", "pairs", "quarantined", "log")}
    assert said["snapshot"] == str(target) and said["index"] == at and said["bytes"] == (target / "data.mdb").stat().st_size
    assert said["partitions"] == [{"partition": row["partition"], "first": row["first"], "applied": row["applied"]}
                                  for row in stats["partitions"]]
    assert {row["name"]: (row["version"], row["rows"], row["digest"]) for row in said["views"]} == digests(provmat, at)
    assert digests(provmat, target) == digests(provmat, at)


def test_the_copy_answers_alone_and_is_continued(provmat, filled, tmp_path):
    log, at = filled
    empty = tmp_path / "empty"
    empty.mkdir()
    snapshot(provmat, at, empty)
    answer = provmat("query", "jobs", "--index", at).stdout
    moved = shutil.move(at, f"{at}-away")
    assert provmat("query", "jobs", "--index", empty).stdout == answer
    more = [json.dumps({"type": "ResultReused", "job_id": "later", "occurred_at": 10 ** 15 + number, "result": f"sims/1/1/seed_{number}",
                        "kind": "sim"}) for number in range(100)]
    provmat.emit(log, more)
    for place in (empty, moved):
        provmat("materialize", "--once", "--index", place)
    assert digests(provmat, empty) == digests(provmat, moved)


def test_while_it_is_written_to(provmat, local, index, follower, tmp_path):  # noqa: F811
    """Copies of an index in the middle of its making are whole, each as some commit left it, and lead to the same end."""
    log, at, whole = local(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "3")
    provmat.emit(log, many_events(10))
    process = follower("--log", log, "--index", at)
    wait_until(lambda: os.path.exists(f"{at}/data.mdb"))
    emitter = provmat.start("emit", "--log", log, stdin=subprocess.PIPE)
    copies = []
    for number, line in enumerate(many_events(80, seed=2)):
        emitter.stdin.write(line.encode() + b"\n")
        if number % 10_000 == 5_000:
            emitter.stdin.flush()
            copies.append(snapshot(provmat, at, tmp_path / f"copy{number}"))
    emitter.communicate()
    assert emitter.returncode == 0 and process.poll() is None
    provmat("materialize", "--once", "--log", log, "--index", whole)
    assert len({copy["events"] for copy in copies}) > 1, "the index did not move while it was copied: this test sees nothing"
    for copy in copies:
        place = copy["snapshot"]
        assert sum(row["applied"] - row["first"] for row in copy["partitions"]) == copy["events"]
        assert {row["name"]: (row["version"], row["rows"], row["digest"]) for row in copy["views"]} == digests(provmat, place)
    provmat("materialize", "--once", "--index", copies[1]["snapshot"])
    assert digests(provmat, copies[1]["snapshot"]) == digests(provmat, whole)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_killed_in_the_middle(provmat, filled, tmp_path):
    """After a kill -9 there is a whole copy or none, and the next one into the same directory is not in the way of it."""
    _, at = filled
    begin = time.monotonic()
    snapshot(provmat, at, tmp_path / "unharmed")
    duration = time.monotonic() - begin
    cut = 0
    for turn in range(8):
        target = tmp_path / f"killed{turn}"
        process = provmat.start("snapshot", target, "--index", at)
        time.sleep(duration * (turn + 1) / 9)
        process.kill()
        process.communicate()
        if os.path.exists(target / "data.mdb"):
            assert digests(provmat, target) == digests(provmat, at)
        elif os.path.exists(target):
            cut += os.path.exists(target / PARTIAL)
            assert_no_index(provmat, target)
            snapshot(provmat, at, target)
            assert os.listdir(target) == ["data.mdb"]
    assert cut, "none was killed in the middle: this test sees nothing"
    assert digests(provmat, target) == digests(provmat, at)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_stopped(provmat, filled, tmp_path, signal_number):
    _, at = filled
    for turn in range(6):
        target = tmp_path / f"stopped{turn}"
        process = provmat.start("snapshot", target, "--index", at)
        wait_until(lambda: target.exists() or process.poll() is not None)
        process.send_signal(signal_number)
        process.communicate(timeout=60)
        assert os.path.exists(target / "data.mdb") == (process.returncode == 0)
        if process.returncode != 0:
            assert process.returncode == -signal_number and not target.exists()


def test_directory_that_is_not_empty(provmat, filled, tmp_path):
    _, at = filled
    target = tmp_path / "full"
    target.mkdir()
    (target / "mine").write_text("kept")
    for place, word in ((target, '"mine"'), (at, "index itself"), (f"{at}/inside", "outside"), (target / "mine", "directory")):
        done = provmat("snapshot", place, "--index", at, check=(2, 3))
        assert word in done.err and done.stdout == b"", done.err
    assert os.listdir(target) == ["mine"] and not os.path.exists(f"{at}/inside")
    snapshot(provmat, at, tmp_path / "copy")
    before = (tmp_path / "copy" / "data.mdb").read_bytes()
    provmat("snapshot", tmp_path / "copy", "--index", at, check=2)
    assert (tmp_path / "copy" / "data.mdb").read_bytes() == before


def test_two_into_one_directory(provmat, filled, tmp_path):
    _, at = filled
    processes = [provmat.start("snapshot", tmp_path / "copy", "--index", at) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes].count(0) == 1, said
    assert digests(provmat, tmp_path / "copy") == digests(provmat, at)


def test_source_that_is_none(provmat, tmp_path, index):
    done = provmat("snapshot", tmp_path / "copy", "--index", index(), check=3)
    assert "provmat materialize" in done.err and not (tmp_path / "copy").exists()


def test_source_that_is_damaged(provmat, filled, tmp_path):
    """A copy is checked before it gets its name."""
    _, at = filled
    file = pathlib.Path(at, "data.mdb")
    file.write_bytes(file.read_bytes().replace(b"job-0007", b"job-00\xff7"))
    done = provmat("snapshot", tmp_path / "copy", "--index", at, check=3)
    assert at in done.err and "provmat rebuild" in done.err and not (tmp_path / "copy").exists()


def test_full_disk(provmat, filled, disk):
    _, at = filled
    folder = disk(f"{os.stat(f'{at}/data.mdb').st_size // 1024 // 2}k")
    for target in (folder / "copy", folder):
        done = provmat("snapshot", target, "--index", at, check=3)
        assert "no space left" in done.err and str(target) in done.err, done.err
        assert os.listdir(folder) == []


def test_into_a_mounted_disk(provmat, filled, disk):
    _, at = filled
    folder = disk("64m")
    snapshot(provmat, at, folder)
    assert digests(provmat, folder) == digests(provmat, at)
