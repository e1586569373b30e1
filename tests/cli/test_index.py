"""The index: what it refuses, what it survives, and that every way of reading it says the same."""

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

from conftest import PROGRAM
from reference import compare, events, expected, generator
from reference.program import ProgramAnswers, parse
from reference.world import World
from test_bad_input import assert_says, changed
from test_real_data import sample_of
from test_reference import digests, lines_of, replayed


@pytest.fixture
def small(provmat, local, index, small_data):
    """(log, index) of the small real data set."""
    log, at = local(), index()
    provmat.emit(log, small_data[1])
    provmat("materialize", "--once", "--log", log, "--index", at)
    return log, at


def many_events(n_jobs=40, n_results=500, seed=1):
    """Enough lines that materializing them takes a while: jobs of 500 results, 40% of them reused."""
    rng = random.Random(seed)
    known = []
    for job in range(n_jobs):
        yield json.dumps({"type": "JobSubmitted", "job_id": f"job-{job:04}", "occurred_at": events.time_text(10 ** 15 + job * 10 ** 9)})
        for number in range(n_results):
            event = {"job_id": f"job-{job:04}", "occurred_at": 10 ** 15 + job * 10 ** 9 + number, "kind": "sim", "seed": number,
                     "target": f"t{number % 3}"}
            if known and rng.random() < 0.4:
                yield json.dumps({"type": "ResultReused", "result": rng.choice(known), **event})
            else:
                known.append(f"sims/{job % 7}/{job}/seed_{number}")
                yield json.dumps({"type": "ResultComputed", "result": known[-1], "loss": rng.random(), **event})


def wait_until(condition, seconds=30):
    """Waits for a state of another process; fails when it does not come."""
    for _ in range(seconds * 100):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def applied(provmat, index):
    done = provmat("--index", index, "stats", check=None)
    return json.loads(done.stdout)["events"] if done.returncode == 0 else 0


@pytest.fixture
def follower(provmat):
    """Starts materializers that follow their log, and ends what is left of them."""
    started = []

    def start(*arguments):
        started.append(provmat.start("materialize", *arguments))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


# ---- what is refused ----
def test_no_index(provmat, index):
    for arguments in (["query", "jobs"], ["stats"], ["verify"], ["quarantine", "list"]):
        done = provmat("--index", index(), *arguments, check=3)
        assert done.stdout == b"" and "provmat materialize" in done.err


def test_index_of_another_log(provmat, small, local):
    log, at = small
    other = local()
    provmat.emit(other, [changed().decode()])
    for command in (["materialize", "--once"], ["verify", "--against-log"], ["quarantine", "retry"]):
        done = provmat(*command, "--log", other, "--index", at, check=3)
        assert_says(done.err, [log.removeprefix("local:"), other.removeprefix("local:")])


def test_a_log_is_never_taken_for_an_index(provmat, local, small_data):
    """A mistyped --index must not cost the log: neither an index written into it, nor one swapped for it."""
    log = local()
    directory = log.removeprefix("local:")
    provmat.emit(log, small_data[1])
    before = provmat("replay", "--log", log).stdout
    for command in (["materialize", "--once"], ["rebuild"], ["query", "jobs"], ["stats"], ["verify"], ["quarantine", "retry"]):
        done = provmat(*command, "--log", log, "--index", directory, check=3)
        assert_says(done.err, [directory, "holds a log, not an index|not a provmat index"])
        assert provmat("replay", "--log", log).stdout == before, command
    provmat("emit", "--log", log, input=changed())


def test_rebuild_by_another_name(provmat, small, tmp_path):
    """Through a symbolic link, in the working directory, with slashes behind: what is swapped is the directory itself."""
    log, at = small
    want, link = digests(provmat, at), f"{tmp_path}/link"
    os.symlink(at, link)
    for name, cwd in ((link, None), (".", at), (f"{at}//", None), (f"../{os.path.basename(at)}", at)):
        provmat("rebuild", "--log", log, "--index", name, cwd=cwd)
        assert os.path.islink(link) and digests(provmat, link) == want == digests(provmat, at), name
        assert sorted(os.listdir(at)) == ["data.mdb", "lock.mdb", "writer.lock"]
    assert [name for name in os.listdir(tmp_path) if "rebuild" in name] == []


def test_a_full_disk_is_named(provmat, local, tmp_path, small_data):
    """On a file system of one megabyte: the log refuses and says why; what was there answers, and goes on once there is room."""
    log, disk = local(), tmp_path / "disk"
    disk.mkdir()
    provmat.emit(log, small_data[1] * 30)
    (tmp_path / "home" / "lines").write_text("\n".join(small_data[1] * 30))
    script = f"""mount -t tmpfs -o size=1m none {disk} || exit 77
        "{PROGRAM}" emit --log local:{disk}/log lines; echo "emit $?" >&2
        "{PROGRAM}" materialize --once --log {log} --index {disk}/index; echo "materialize $?" >&2
        mount -o remount,size=64m none {disk}
        "{PROGRAM}" emit --log local:{disk}/log lines && "{PROGRAM}" materialize --once --log {log} --index {disk}/index &&
        "{PROGRAM}" verify --index {disk}/index --against-log --log {log}; echo "then $?" >&2"""
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=provmat.environment,
                          cwd=provmat.cwd, timeout=120, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert_says(done.stderr, ["records are not committed", "no space left on the device", "emit 4\n", "materialize 3\n", "then 0\n"])
    assert "Input/output error" not in done.stderr


def test_log_deleted_and_made_again(provmat, small, small_data):
    log, at = small
    shutil.rmtree(log.removeprefix("local:"))
    provmat.emit(log, small_data[1])
    done = provmat("materialize", "--once", "--log", log, "--index", at, check=3)
    assert_says(done.err, [log.removeprefix("local:"), "provmat rebuild"])


def test_index_of_a_newer_format(provmat, small, kvput):
    _, at = small
    current = kvput.bump_format(at)
    for arguments in (["query", "jobs"], ["stats"], ["materialize", "--once", "--log", small[0]], ["verify"]):
        done = provmat("--index", at, *arguments, check=3)
        assert_says(done.err, ["format", str(current), str(current + 1)])


def test_two_materializers(provmat, small, follower):
    log, at = small
    first = follower("--log", log, "--index", at)
    wait_until(lambda: b"" != open(f"/proc/{first.pid}/cmdline", "rb").read() and held(at, first.pid))
    second = provmat("materialize", "--once", "--log", log, "--index", at, check=3)
    assert_says(second.err, [f"process {first.pid}|pid {first.pid}", at])
    assert provmat("--index", at, "query", "jobs").stdout, "queries go on meanwhile"
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    provmat("materialize", "--once", "--log", log, "--index", at)


def held(index, pid):
    """Whether the process has a file of the index locked or open."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(index):
                return True
        except OSError:
            pass
    return False


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_following_and_a_clean_end(provmat, local, index, follower, signal_number):
    log, at = local(), index()
    provmat.emit(log, [changed().decode()])
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) == 1)
    provmat.emit(log, [changed(result="good/2").decode()])
    wait_until(lambda: applied(provmat, at) == 2)
    process.send_signal(signal_number)
    assert process.wait(30) == 0
    assert len(ProgramAnswers(provmat, at).results_of_job("good")) == 2


def test_log_that_is_not_there(provmat, tmp_path, index):
    nowhere = f"local:{tmp_path}/nowhere"
    for command in (["replay"], ["log", "info"], ["rebuild"]):
        done = provmat(*command, "--log", nowhere, "--index", index(), check=4)
        assert_says(done.err, [nowhere, "there is no log|does not exist", f"provmat log create --log {nowhere}"])


def test_broker_that_cannot_be_reached(provmat, index):
    done = provmat("materialize", "--once", "--log", "kafka://127.0.0.1:1/topic", "--index", index(), "-X",
                   "provmat.timeout.ms=1000", check=4, timeout=90)
    assert_says(done.err, ["could not reach 127.0.0.1:1", '"topic"', "Connection refused"])


def test_damaged_files(provmat, small, tmp_path):
    """Whatever lies in the directory, the program says so and ends with 1 or 3; it never dies by a signal."""
    _, at = small
    data = open(f"{at}/data.mdb", "rb").read()
    damages = {"empty": b"", "text": b"hello\n" * 1000, "zeros": bytes(len(data)), "first page": data[:4096],
               "half": data[:len(data) // 2 // 4096 * 4096],
               "last page gone": data[:-4096], "odd length": data[:len(data) // 3 | 1]}
    for name, content in damages.items():
        copy = f"{tmp_path}/{name}"
        os.makedirs(copy)
        for file in os.listdir(at):
            if os.path.isfile(f"{at}/{file}") and "lock" not in file:
                shutil.copy(f"{at}/{file}", copy)
        open(f"{copy}/data.mdb", "wb").write(content)
        for arguments in (["verify"], ["stats"], ["query", "results", "--path-prefix", ""], ["query", "conflicts"]):
            done = provmat("--index", copy, *arguments, check=None)
            assert done.returncode in (0, 1, 3) if name == "last page gone" else done.returncode == 3, (name, arguments, done.returncode,
                                                                                                        done.err)
            assert done.returncode == 0 or done.err, (name, arguments)


def test_verify_finds_what_was_changed_behind_its_back(provmat, local, index, tmp_path):
    """A path, one of the two places of a job's name, and a loss."""
    log, at = local(), index()
    lines = [changed(job_id=f"corruptible-{n % 3}", result=f"some/resultpath/{n}", loss=1234.5 + n).decode() for n in range(50)]
    provmat.emit(log, lines)
    provmat("materialize", "--once", "--log", log, "--index", at)
    data = open(f"{at}/data.mdb", "rb").read()
    loss, other = struct.pack("<d", 1234.5 + 7), struct.pack("<d", 1234.5 + 70)
    cases = [("path", data.replace(b"resultpath/7", b"resultpath/X"), ["verify"])]
    for number in range(data.count(b"corruptible-1")):
        place = [found.start() for found in re.finditer(b"corruptible-1", data)][number]
        cases.append((f"name {number}", data[:place] + b"corruptible-9" + data[place + 13:], ["verify"]))
    cases.append(("loss", data.replace(loss, other), ["verify", "--against-log", "--log", log]))
    for name, content, command in cases:
        assert content != data, f"{name}: the index does not hold it as it is, this test sees nothing"
        copy = f"{tmp_path}/{name}"
        shutil.copytree(at, copy)
        open(f"{copy}/data.mdb", "wb").write(content)
        done = provmat("--index", copy, *command, check=None)
        assert done.returncode in (1, 3), (name, done.returncode, done.stdout)
        assert done.err, f"{name}: the first difference is named"


# ---- what it survives ----
def test_killed_at_random_moments(provmat, local, index):
    rng = random.Random(5)
    log, whole, broken = local(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "3")
    provmat.emit(log, many_events(150))
    begin = time.monotonic()
    provmat("materialize", "--once", "--log", log, "--index", whole)
    duration = time.monotonic() - begin
    want, killed = digests(provmat, whole), 0
    for _ in range(3):
        shutil.rmtree(broken, ignore_errors=True)
        for _ in range(4):
            process = provmat.start("materialize", "--once", "--log", log, "--index", broken)
            time.sleep(rng.random() * 0.8 * duration)
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            if os.path.exists(broken):
                done = provmat("--index", broken, "verify", check=(0, 3))
                assert done.returncode == 0 or "provmat materialize" in done.err, done.err
        provmat("materialize", "--once", "--log", log, "--index", broken)
        assert digests(provmat, broken) == want
        assert applied(provmat, broken) == applied(provmat, whole)
    assert killed > 2, "no process was killed at work: this test saw nothing"


def test_rebuild_killed_leaves_the_old_index(provmat, local, index):
    rng = random.Random(6)
    log, at = local(), index()
    provmat.emit(log, many_events(60))
    provmat("materialize", "--once", "--log", log, "--index", at)
    want = digests(provmat, at)
    begin = time.monotonic()
    provmat("rebuild", "--log", log, "--index", at)
    duration = time.monotonic() - begin
    for _ in range(6):
        process = provmat.start("rebuild", "--log", log, "--index", at)
        time.sleep(rng.random() * duration)
        process.kill()
        process.communicate()
        assert digests(provmat, at) == want
    provmat("rebuild", "--log", log, "--index", at)
    assert digests(provmat, at) == want
    provmat("materialize", "--once", "--log", log, "--index", at)


def test_queries_go_on_while_it_is_rebuilt_and_followed(provmat, local, index, follower):
    """Every answer given meanwhile is one of a whole state: it never has fewer jobs than before."""
    log, at = local(), index()
    lines = list(many_events(20))
    provmat.emit(log, lines[:2000])
    provmat("materialize", "--once", "--log", log, "--index", at)
    follower("--log", log, "--index", at)
    feeding = threading.Thread(target=lambda: [provmat.emit(log, lines[n:n + 2000]) for n in range(2000, len(lines), 2000)])
    feeding.start()
    seen = [0]
    while feeding.is_alive() or applied(provmat, at) < len(lines):
        row = provmat.json_rows("--index", at, "stats")[0]
        rows = ProgramAnswers(provmat, at).results(path_prefix="sims/0")
        assert row["events"] >= seen[-1]
        seen.append(row["events"])
        assert rows == sorted(rows, key=lambda r: r["result"].encode())
        assert len(seen) < 3000
    feeding.join()
    assert seen[-1] == len(lines) or applied(provmat, at) == len(lines)


@pytest.mark.parametrize("view", [None, "each"])
def test_rebuild_gives_the_same(provmat, small, view):
    log, at = small
    want = digests(provmat, at)
    for name in [None] if view is None else sorted(want):
        provmat("rebuild", "--log", log, "--index", at, *(["--view", name] if name else []))
        assert digests(provmat, at) == want, name


def test_an_index_answers_without_its_log_and_elsewhere(provmat, small, small_data, tmp_path):
    log, at = small
    moved = shutil.copytree(at, f"{tmp_path}/elsewhere")
    shutil.rmtree(at)
    shutil.rmtree(log.removeprefix("local:"))
    answers = ProgramAnswers(provmat, moved)
    assert list(expected.differences(answers, small_data[2], sample_of(small_data[2], 10))) == []
    stats = provmat.json_rows("--index", moved, "stats")[0]
    assert [(p["end"], p["lag"]) for p in stats["partitions"]] == [(None, None)]
    wrapped = json.loads(provmat("--index", moved, "query", "jobs", "-f", "json").stdout)
    assert wrapped["index"]["complete"] == "unknown"
    assert all(row["ok"] for row in answers.verify())


def test_several_emitters_at_once(provmat, local, index):
    log, at = local(), index()
    lines = list(many_events(12, 100))
    provmat("log", "create", "--log", log, "--partitions", "2")
    threads = [threading.Thread(target=provmat.emit, args=(log, lines[n::4])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provmat("materialize", "--once", "--log", log, "--index", at)
    world = World(replayed(provmat, log))
    assert len(world.events) == len(set(lines))
    compare.hold(ProgramAnswers(provmat, at), world, len(lines), 0, "four emitters", 3)


# ---- reading it ----
QUERIES = [["query", "jobs"], ["query", "results", "--path-prefix", ""], ["query", "conflicts"], ["stats"], ["verify"]]


def text_of(value):
    """A value of an ndjson row as its csv cell must read."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@pytest.mark.parametrize("arguments", QUERIES, ids=lambda a: " ".join(a[:2]))
def test_formats_agree(arguments, provmat, small):
    _, at = small

    def rows(form, *more):
        return provmat("--index", at, *arguments, "-f", form, *more).stdout.decode()

    lines = [json.loads(line, parse_float=str, parse_int=str) for line in rows("ndjson").splitlines()]
    whole = json.loads(rows("json"), parse_float=str, parse_int=str)
    if arguments[0] == "query":
        assert whole["index"]["complete"] == "yes"
        whole = whole["rows"]
    assert (whole if isinstance(whole, list) else [whole]) == lines
    for form, dialect in (("csv", csv.reader(io.StringIO(rows("csv"), newline=""), strict=True)), ("tsv", None)):
        table = list(dialect) if dialect else [line.split("\t") for line in rows("tsv").splitlines()]
        assert table[0] == list(lines[0])
        assert len(table) == len(lines) + 1
        for cells, row in zip(table[1:], lines):
            for cell, (key, value) in zip(cells, row.items()):
                if isinstance(value, (list, dict)):
                    assert json.loads(cell, parse_float=str, parse_int=str) == value, (form, key)
                elif form == "csv":
                    assert cell == text_of(value), (form, key)
    table = rows("table")
    for row in lines[:5]:
        assert all(str(value) in table for key, value in row.items() if key in ("job_id", "result", "view"))


def test_csv_of_awkward_texts(provmat, local, index):
    log, at = local(), index()
    names = ['a "quoted" name', "comma, name", "tab\tname", "line\nbreak", "ünï 😀", " blanks ", "=formula"]
    provmat.emit(log, [changed(job_id=name).decode() for name in names])
    provmat("materialize", "--once", "--log", log, "--index", at)
    text = provmat("--index", at, "query", "jobs", "-f", "csv").stdout.decode()
    assert sorted(row["job_id"] for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)) == sorted(names)
    tsv = provmat("--index", at, "query", "jobs", "-f", "tsv").stdout.decode().splitlines()
    assert len(tsv) == len(names) + 1 and len({line.count("\t") for line in tsv}) == 1
    assert len(provmat("--index", at, "query", "jobs", "-f", "table").stdout.decode()) > 0


def test_json_says_how_far_the_index_is(provmat, small):
    log, at = small

    def index_of():
        return json.loads(provmat("--index", at, "--log", log, "query", "jobs", "-f", "json").stdout)["index"]

    stats = provmat.json_rows("--index", at, "stats")[0]
    before = index_of()
    assert set(before["applied"]) == {"0"} and before["complete"] == "yes"
    assert before["applied"]["0"] == stats["partitions"][0]["applied"]
    provmat.emit(log, [changed().decode()])
    after = index_of()
    assert after["complete"] == "no" and after["applied"] == before["applied"]
    nothing = provmat("--index", at, "query", "results", "--path-prefix", "no/such", "-f", "json", check=(0, 1)).stdout
    assert json.loads(nothing)["rows"] == []


def test_at_least_and_max_lag(provmat, small, small_data):
    log, at = small
    end = len(small_data[1])
    ask = ["--index", at, "--log", log, "query", "jobs"]
    provmat(*ask, "--at-least", f"0:{end - 1}", "--max-lag", "0")
    behind = provmat(*ask, "--at-least", f"0:{end}", check=5)
    assert behind.stdout == b"" and "provmat materialize" in behind.err, behind.err
    provmat(*ask, "--at-least", "0:0", "--at-least", f"0:{end}", check=5)
    provmat(*ask, "--at-least", "7:0", check=5)
    provmat.emit(log, [changed(result=f"new/{n}").decode() for n in range(3)])
    assert_says(provmat(*ask, "--max-lag", "2", check=5).err, ["3", "2"])
    provmat(*ask, "--max-lag", "3")
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat(*ask, "--max-lag", "0", "--at-least", f"0:{end + 2}")


def test_stats_tells_end_and_lag(provmat, small, small_data):
    log, at = small
    provmat.emit(log, [changed().decode()])
    stats = provmat.json_rows("--index", at, "stats")[0]
    place = stats["partitions"][0]
    assert (place["partition"], place["first"], place["end"], place["lag"]) == (0, 0, len(small_data[1]) + 1, 1)
    assert {"events", "results", "jobs", "pairs", "computed", "reused", "failed", "expected", "reuse_ratio", "unattributed", "conflicts",
            "quarantined",
            "index_bytes", "log", "partitions", "views"} <= set(stats)
    assert stats["index_bytes"] > 0 and log.removeprefix("local:") in stats["log"]
    assert all({"name", "version", "rows", "bytes"} <= set(view) for view in stats["views"]) and stats["views"]


def test_columns_limit_sort(provmat, small, small_data):
    _, at = small
    everything = ["--index", at, "query", "results", "--path-prefix", ""]
    rows = [parse(line) for line in provmat(*everything, "--columns", "loss,result").stdout.decode().splitlines()]
    assert all(list(row) == ["loss", "result"] for row in rows)
    losses = sorted(row["loss"] for row in rows if row["loss"] is not None)
    up = [parse(line)["loss"] for line in provmat(*everything, "--sort", "loss").stdout.decode().splitlines()]
    down = [parse(line)["loss"] for line in provmat(*everything, "--sort", "loss:desc").stdout.decode().splitlines()]
    assert [x for x in up if x is not None] == losses and [x for x in down if x is not None] == losses[::-1]
    assert len(up) == len(down) == len(rows)
    assert len(provmat(*everything, "--limit", "7").stdout.splitlines()) == 7
    first = [parse(line)["result"] for line in provmat(*everything, "--limit", "5").stdout.decode().splitlines()]
    assert first == sorted(row["result"] for row in rows)[:5]
    assert sorted(provmat(*everything, "--sort", "none").stdout.splitlines()) == sorted(provmat(*everything).stdout.splitlines())
    best = next(iter(small_data[2]["best"].values()))
    for target, wanted in best.items():
        got = provmat.json_rows("--index", at, "query", "results", "--target", target, "--sort", "loss", "--limit", "1")
        assert [row["result"] for row in got] == [wanted[0]["result"]] or len(small_data[2]["best"]) > 1


def test_closed_pipe_is_quiet(provmat, local, index, tmp_path):
    log, at = local(), index()
    provmat.emit(log, many_events(10))
    provmat("materialize", "--once", "--log", log, "--index", at)
    for command in (["query", "results", "--path-prefix", ""], ["query", "results", "--path-prefix", "", "-f", "csv"],
                    ["replay", "--log", log],
                    ["query", "results", "--path-prefix", "", "--sort", "none"], ["query", "results", "--path-prefix", "", "-f", "table"]):
        process = provmat.start(*command, "--index", at)
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(30) in (0, 141, -signal.SIGPIPE) and err == b"", (command, err)


def test_output_that_cannot_be_written(provmat, small):
    _, at = small
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "--index", at, "query", "results", "--path-prefix", ""], stdout=full, stderr=subprocess.PIPE,
                              check=False,
                              env=provmat.environment)
    assert done.returncode not in (0, -signal.SIGSEGV) and done.stderr, "a full disk is not passed in silence"


def test_verify_against_the_log(provmat, small):
    log, at = small
    rows = provmat.json_rows("--index", at, "--log", log, "verify", "--against-log")
    assert rows and all(row["ok"] is True for row in rows)
    assert all({"view", "version", "rows", "digest", "ok"} <= set(row) for row in rows)
    provmat.emit(log, [changed().decode()])
    provmat("--index", at, "--log", log, "verify", "--against-log")  # up to what was applied: still equal


def test_settings_from_environment_and_file(provmat, small, tmp_path):
    log, at = small
    assert provmat("query", "jobs", env={"PROVMAT_INDEX": at}).stdout
    assert provmat("replay", env={"PROVMAT_LOG": log}).stdout
    assert provmat("--index", at, "query", "jobs", env={"PROVMAT_INDEX": "/nonexistent"}).stdout, "a flag beats the environment"
    assert provmat("query", "jobs", "--index", at).stdout == provmat("--index", at, "query", "jobs").stdout


def test_everything_by_default_in_the_working_directory(provmat, tmp_path, small_data):
    work = tmp_path / "work"
    work.mkdir()
    provmat("emit", input="\n".join(small_data[1]), cwd=work)
    provmat("materialize", "--once", cwd=work)
    assert json.loads(provmat("stats", cwd=work).stdout)["events"] == len(small_data[1])
    assert (work / "provmat-data" / "log").is_dir() and (work / "provmat-data" / "index").is_dir()


def test_replay_from_and_until(provmat, small):
    log, _ = small
    rows = provmat.json_rows("replay", "--log", log)
    assert [row["_offset"] for row in rows] == list(range(len(rows))) and {row["_partition"] for row in rows} == {0}
    assert provmat.json_rows("replay", "--log", log, "--from", "0:100") == rows[100:]
    until = rows[120]["occurred_at"]
    assert provmat.json_rows("replay", "--log", log, "--until",
                             until) == [row for row in rows if events.time_us(row["occurred_at"]) <= events.time_us(until)]


def test_materialize_in_many_small_steps(provmat, local, index):
    """An index grown event by event is the one made at once."""
    lines = lines_of(generator.world(5))
    log, grown, at_once = local(), index(), index()
    for line in lines:
        provmat.emit(log, [line])
        provmat("materialize", "--once", "--log", log, "--index", grown)
    provmat("materialize", "--once", "--log", log, "--index", at_once)
    assert digests(provmat, grown) == digests(provmat, at_once)
    compare.hold(ProgramAnswers(provmat, grown), World(replayed(provmat, log)), len(lines), 5, "event by event", 5)
