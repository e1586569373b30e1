"""Disks that are full, maps that are full, bits that flip: told with the right exit code, and nothing is lost by it."""

import json
import os
import pathlib
import resource
import struct
import subprocess

import pytest

from conftest import PROGRAM
from reference import compare, events
from reference.program import ProgramAnswers
from reference.world import World

FULL = "no space left on"


# ---- a full disk ----
class Fill:
    """Takes what is left of a disk, but for `spare` bytes."""

    def __init__(self, folder, spare=0):
        self.path = folder / "fill"
        with open(self.path, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        os.truncate(self.path, max(0, self.path.stat().st_size - spare) // 4096 * 4096)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.path.unlink()


def holds(provmat, log, at, where):
    """The index answers for exactly what it says it has applied."""
    rows = provmat("replay", "--log", log).stdout.decode().splitlines()
    applied = {row["partition"]: row["applied"] for row in provmat.json_rows("--index", at, "stats")[0]["partitions"]}
    taken = events.read([line for line in rows if json.loads(line)["_offset"] < applied[json.loads(line)["_partition"]]])
    assert all(row["ok"] for row in provmat.json_rows("--index", at, "verify")), where
    compare.hold(ProgramAnswers(provmat, at), World(taken), len(taken), 0, where, 2)
    return len(taken)


@pytest.mark.parametrize("spare", [0, 4096, 32768, 65536, 131072])
def test_disk_full_under_a_log(provmat, disk, small_data, spare):
    """What was acknowledged stays; what was not is refused whole, exit 4; and with room again it goes on."""
    folder, lines = disk("2m"), small_data[1]
    log = f"local:{folder}/log"
    with Fill(folder):
        done = provmat("emit", "--log", log, input="\n".join(lines), check=4)
        assert FULL in done.err.lower(), done.err
    provmat.emit(log, lines[:50])
    with Fill(folder, spare):
        done = provmat("emit", "--log", log, input="\n".join(lines[50:] * 20), check=4)
        assert FULL in done.err.lower() and "0 events appended" in done.err, done.err
        assert len(provmat.json_rows("replay", "--log", log)) == 50, "it is read all the same"
    provmat.emit(log, lines[50:])
    assert len(provmat.json_rows("replay", "--log", log)) == len(lines)


@pytest.mark.parametrize("spare", [0, 8192, 40960, 65536, 98304, 163840, 262144])
def test_disk_full_under_an_index(provmat, disk, local, small_data, spare):
    """materialize and rebuild: exit 3; the index answers for what it had, and goes on when there is room."""
    folder, lines, log = disk("4m"), small_data[1], local()
    at = f"{folder}/index"
    with Fill(folder, spare):
        provmat.emit(log, lines[:50])
        done = provmat("materialize", "--once", "--log", log, "--index", at, check=(0, 3))
        assert done.returncode == 0 or FULL in done.err.lower(), done.err
        assert spare != 0 or done.returncode == 3
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat.emit(log, lines[50:])
    for command in (["materialize", "--once"], ["rebuild"]):
        with Fill(folder, spare):
            done = provmat(*command, "--log", log, "--index", at, check=(0, 3))
            assert done.returncode == 0 or FULL in done.err.lower(), (command, done.err)
            assert spare != 0 or done.returncode == 3
            there = holds(provmat, log, at, f"{command}, {spare} bytes spare")
            assert there == len(lines) if done.returncode == 0 else there >= 50
        provmat(*command, "--log", log, "--index", at)
        assert holds(provmat, log, at, f"{command}, room again") == len(lines)
    with Fill(folder):
        done = provmat("verify", "--against-log", "--log", log, "--index", at, check=3)
        assert FULL in done.err.lower(), done.err
    assert sorted(os.listdir(folder)) == ["index"], "nothing half-made is left"


# ---- no room to map ----
@pytest.mark.parametrize("megabytes", [380, 450, 600, 900])
def test_little_address_space(provmat, local, index, small_data, megabytes):
    """Under a limit of address space the map cannot grow: what fits is done all the same, and whatever does not is told."""
    if is_sanitized():
        pytest.skip("sanitizers take address space themselves")
    log, at, lines = local(), index(), small_data[1]

    def limited(*arguments, **more):
        process = provmat.start(*arguments, stdin=subprocess.PIPE,
                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20)))
        out, err = process.communicate("\n".join(more.get("lines", ())).encode(), timeout=60)
        return process.returncode, err.decode(), out

    for command in (["emit", "--log", log], ["materialize", "--once", "--log", log, "--index", at], ["verify", "--index", at]):
        code, err, _ = limited(*command, lines=lines if command[0] == "emit" else ())
        assert code == 0 or (code in (3, 4) and ("memory" in err or "address space" in err)), (command, code, err)
        if code != 0:
            assert megabytes < 600, (command, code, err)
            provmat(*command, input="\n".join(lines) if command[0] == "emit" else None)
    assert holds(provmat, log, at, f"{megabytes} MB") == len(lines)


def is_sanitized():
    return PROGRAM.parent.name.startswith(("asan", "tsan"))


# ---- flipped bits: what the program says; tests/unit/consumer/damage_test.c has them by the hundred ----
PAGE, LEAF, PARTS_OF_ENTRY = 4096, 2, 4
QUERIES = (["query", "results", "--path-prefix", ""], ["query", "jobs"], ["query", "conflicts"], ["stats"])


def damaged_leaves(data):
    """Copies of a data.mdb, each with a bit of the first entry of one leaf flipped: the entry then claims a form that LMDB believes and follows to
    memory that is not there. Among them are leaves that are free: there it has no effect."""
    for page in range(2 * PAGE, len(data), PAGE):
        number, flags, lower = struct.unpack_from("<QxxHH", data, page)
        if number != page // PAGE or flags != LEAF or lower <= 16:
            continue
        changed = bytearray(data)
        changed[page + struct.unpack_from("<H", data, page + 16)[0] + PARTS_OF_ENTRY] ^= 4
        yield number, changed


def test_flipped_bits_of_an_index(provmat, local, index, small_data, tmp_path):
    """Found by verify, with the page and the way out; whoever else meets it ends with 3 and says so, and never by a signal."""
    log, at, copy = local(), index(), tmp_path / "copy"
    provmat.emit(log, small_data[1])
    provmat("materialize", "--once", "--log", log, "--index", at)
    data = pathlib.Path(at, "data.mdb").read_bytes()
    copy.mkdir()
    found, refused, met = 0, 0, []
    for page, changed in damaged_leaves(data):
        (copy / "data.mdb").write_bytes(changed)
        verified = provmat("--index", copy, "verify", check=(0, 3))
        if verified.returncode == 0:
            continue
        found += 1
        assert f"page {page}: " in verified.err and f"provmat rebuild --index {copy} --log URL" in verified.err, verified.err
        for query in QUERIES:
            done = provmat("--index", copy, *query, check=(0, 1, 3))
            assert done.returncode != 3 or "provmat rebuild" in done.err, (page, query, done.err)
            met.append(done.err)
        assert f"page {page}: " in provmat("--index", copy, "snapshot", tmp_path / "snapshot", check=(3,)).err
        written = provmat("--index", copy, "materialize", "--once", "--log", log, check=(0, 3))  # 0: it is of no leaf that a writer comes to
        assert written.returncode == 0 or f"page {page}: " in written.err
        refused += written.returncode == 3
    assert found > 10, "hardly a page is a leaf"
    assert refused > 10, "the writer hardly looks"
    assert any("a page leads nowhere" in err for err in met), "no query met a page that is damaged"
    assert "rebuild --index" in provmat("--index", copy, "rebuild", check=(3,)).err
    rebuilt = provmat("--index", copy, "rebuild", "--log", log)
    assert "gaps that the damaged index had accepted are not taken over" in rebuilt.err
    assert provmat("--index", copy, "verify").stdout == provmat("--index", at, "verify").stdout


def test_flipped_bits_of_a_local_log(provmat, local, index, small_data, tmp_path):
    """A record, and a page, that are damaged: what can be read is told and can be read."""
    log, at, copy = local(), index(), tmp_path / "copy"
    provmat.emit(log, small_data[1])
    provmat("materialize", "--once", "--log", log, "--index", at)

    def replay(*arguments, **more):
        return provmat("replay", "--log", *arguments, **more)

    def lines_of(done):
        return done.stdout.decode().splitlines()

    lines = lines_of(replay(log))
    data = pathlib.Path(log[6:], "data.mdb").read_bytes()
    copy.mkdir()
    place, url = data.index(json.loads(lines[20])["event_id"].encode()), f"local:{copy}"
    (copy / "data.mdb").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    done = replay(url, check=(3,))
    assert lines_of(done) == lines[:20]
    assert "partition 0 offset 20: the record is damaged: its checksum does not match; the records behind it: " in done.err
    assert f"provmat replay --log {url} --from 0:21" in done.err
    assert lines_of(replay(url, "--from", "0:21")) == lines[21:]
    assert "offset 20" in provmat("verify", "--index", at, "--log", url, "--against-log", check=(3,)).err
    found = 0
    for page, changed in damaged_leaves(data):
        (copy / "data.mdb").write_bytes(changed)
        verified = provmat("verify", "--index", at, "--log", url, "--against-log", check=(0, 3))
        if verified.returncode == 0:
            continue
        found += 1
        assert f"page {page}: " in verified.err or "a page leads nowhere" in verified.err, verified.err
        assert f"provmat replay --log {url}" in verified.err, verified.err
        assert f"page {page}: " in provmat("emit", "--log", url, input=lines[0], check=(3,)).err
        done = replay(url, check=(0, 3))
        assert done.returncode == 3 or lines_of(done) == lines
    assert found > 1
