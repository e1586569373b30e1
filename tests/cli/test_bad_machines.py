"""Machines that misbehave: what the program says then, and that nothing is lost."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import pytest

from conftest import PROGRAM, ROOT, build_tool
from test_index import applied, follower, many_events, small, wait_until  # noqa: F401
from test_reference import digests


def event(number, **more):
    return json.dumps({"type": "ResultComputed", "job_id": f"job-{number % 7}", "occurred_at": 10 ** 15 + number, "result": f"r/{number}",
                       "kind": "sim", **more})


# ---- a directory that cannot be written to ----
class Unprivileged:
    """Runs the program so that modes of files count, also for root."""

    def __init__(self, provmat):
        self.provmat = provmat
        self.prefix = []
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
            if not shutil.which("setpriv") or subprocess.run([*self.prefix, "true"], capture_output=True, check=False).returncode != 0:
                pytest.skip("cannot run without the rights of root here")

    def __call__(self, *arguments):
        return subprocess.run([*self.prefix, PROGRAM, *map(str, arguments)], env=self.provmat.environment, capture_output=True,
                              stdin=subprocess.DEVNULL, text=True, check=False, timeout=60)


@pytest.fixture
def read_only():
    """Takes the right to write from directories and what is in them, and gives it back at the end."""
    changed = []

    def take(directory):
        paths = [directory, *pathlib.Path(directory).iterdir()]
        changed.extend((path, os.stat(path).st_mode) for path in paths)
        for path in paths:
            os.chmod(path, os.stat(path).st_mode & ~0o222)

    yield take
    for path, mode in changed:
        os.chmod(path, mode)


def test_read_only_directories(provmat, small, read_only, tmp_path):  # noqa: F811
    """Readers answer as ever; writers say what they may not, and where."""
    log, at = small
    want = digests(provmat, at)
    jobs = provmat("query", "jobs", "--index", at).stdout.decode()
    one = tmp_path / "one.ndjson"
    one.write_text(event(1) + "\n")
    read_only(at)
    read_only(log.removeprefix("local:"))
    run = Unprivileged(provmat)
    assert run("query", "jobs", "--index", at).stdout == jobs
    assert run("stats", "--index", at).returncode == 0 and run("verify", "--index", at).returncode == 0
    assert run("replay", "--log", log).returncode == 0 and run("log", "info", "--log", log).returncode == 0
    for command, place in ((["materialize", "--once", "--log", log, "--index", at], at), (["rebuild", "--index", at], at),
                           (["quarantine", "retry", "--index", at], at), (["emit", "--log", log, one], log.removeprefix("local:"))):
        done = run(*command)
        assert done.returncode in (3, 4), (command, done)
        assert "permission denied" in done.stderr and place in done.stderr and "ls -ld" in done.stderr, (command, done.stderr)
    assert run("snapshot", tmp_path / "copy", "--index", at).returncode == 0
    assert digests(provmat, tmp_path / "copy") == want


# ---- a clock that jumps back ----
def test_clock_that_jumps_back(provmat, local, index, follower, tmp_path):  # noqa: F811
    """A materializer goes on when the time of day jumps back by a day while it runs; events keep the time that their worker gave."""
    flags = (PROGRAM.parent / "flags").read_text() if (PROGRAM.parent / "flags").exists() else ""
    if "-fsanitize" in flags:
        pytest.skip("a sanitizer wants to be the first library")
    library, clock = tmp_path / "clock.so", tmp_path / "clock"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, ROOT / "tests/tools/preload/clock.c"], check=True)
    clock.write_text("0")
    provmat.environment.update(LD_PRELOAD=str(library), CLOCK_FILE=str(clock))
    log, at = local(), index()
    status = {"type": "JobStatusChanged", "job_id": "j"}
    provmat.emit(log, [{**status, "status": "running"}])
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) == 1)
    clock.write_text("-86400")
    provmat.emit(log, [{**status, "status": "pending"}])
    wait_until(lambda: applied(provmat, at) == 2)
    provmat.emit(log, [event(number) for number in range(1000)])
    wait_until(lambda: applied(provmat, at) == 1002)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    first, second = (line for line in provmat.json_rows("replay", "--log", log) if line["type"] == "JobStatusChanged")
    assert second["occurred_at"] < first["occurred_at"], "the clock did not jump: this test sees nothing"
    job = json.loads(provmat("query", "job", "j", "--index", at).stdout)
    assert (job["status"], job["first_at"], job["last_at"]) == ("running", second["occurred_at"], first["occurred_at"])
    provmat("verify", "--against-log", "--index", at)


# ---- readers and writers that died ----
@pytest.fixture(scope="session")
def reader_tool(tmp_path_factory):
    return build_tool("reader", tmp_path_factory.mktemp("tools"))


def test_reader_that_was_killed(provmat, local, index, follower, reader_tool):  # noqa: F811
    """Its slot is freed by the writer that goes on, else the file would grow with every commit for ever. (A query would free it too: there
    is none meanwhile.)"""
    log, at = local(), index()
    provmat.emit(log, [event(number) for number in range(20_000)])
    provmat("materialize", "--once", "--log", log, "--index", at)
    process = follower("--log", log, "--index", at)

    def trickle(first, last):
        for number in range(first, last):
            provmat.emit(log, [event(number)])
            time.sleep(0.03)

    trickle(20_000, 20_010)
    reader = subprocess.Popen([reader_tool, at], stdout=subprocess.PIPE)
    assert reader.stdout.readline() == b"reading\n"
    reader.kill()
    reader.communicate()
    before = os.stat(f"{at}/data.mdb").st_size
    trickle(20_010, 20_110)
    grown = os.stat(f"{at}/data.mdb").st_size - before
    wait_until(lambda: applied(provmat, at) == 20_110)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert grown < 1_000_000, grown


@pytest.mark.parametrize("owner", ["1", "999999999", "", "no number", "1\n1\n1\n"])
def test_lock_file_that_someone_left(provmat, small, small_data, owner):  # noqa: F811
    """What counts is who holds the lock, not what the file says: a process id may be another one's by now."""
    log, at = small
    mark = pathlib.Path(at, "writer.lock")
    inode = os.stat(f"{at}/data.mdb").st_ino
    mark.write_text(owner.replace("\n1\n1", f"\n{inode}\n"))
    provmat.emit(log, [event(1)])
    provmat("materialize", "--once", "--index", at)
    assert applied(provmat, at) == len(small_data[1]) + 1
    provmat("rebuild", "--index", at)
    provmat("verify", "--against-log", "--index", at)


def test_writer_that_was_killed(provmat, small, follower):  # noqa: F811
    log, at = small
    process = follower("--log", log, "--index", at)
    mark = pathlib.Path(at, "writer.lock")
    wait_until(lambda: mark.read_text().split() == [str(process.pid), str(os.stat(f"{at}/data.mdb").st_ino)])
    process.kill()
    process.wait()
    assert mark.read_text().startswith(f"{process.pid}\n"), "the lock file of a dead process is there"
    assert provmat("query", "jobs", "--index", at).stdout
    provmat.emit(log, [event(1)])
    provmat("materialize", "--once", "--index", at)
    assert len(mark.read_text().split()) == 1, "a clean end takes the mark away"
    provmat("verify", "--against-log", "--index", at)


# ---- files that were copied while they were written ----
def test_files_copied_while_they_are_written(provmat, local, index, follower, tmp_path):  # noqa: F811
    """Such a copy may hold pages of several commits; it is refused by name. Copied at rest, it is as good as the original."""
    log, at = local(), index()
    provmat.emit(log, many_events(20))
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) > 0)
    torn, rest = tmp_path / "torn", tmp_path / "rest"
    shutil.copytree(at, torn)
    for command in (["query", "jobs"], ["stats"], ["verify"], ["materialize", "--once"], ["snapshot", tmp_path / "no"], ["rebuild"]):
        done = provmat(*command, "--index", torn, check=3)
        assert str(torn) in done.err and "provmat snapshot" in done.err and "provmat rebuild" in done.err, done.err
    assert provmat("query", "jobs", "--index", at).stdout, "the original answers"
    wait_until(lambda: applied(provmat, at) == sum(1 for _ in many_events(20)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    provmat("rebuild", "--index", torn, "--log", log)
    shutil.copytree(at, rest)
    assert digests(provmat, torn) == digests(provmat, rest) == digests(provmat, at)


# ---- no file descriptors left ----
def test_file_descriptors_exhausted(provmat, small, small_data, tmp_path):  # noqa: F811
    """With every number of them from too few to enough: done, or a message that says what to do; and nothing is lost."""
    log, at = small
    one = tmp_path / "one.ndjson"
    one.write_text(event(1) + "\n")
    want = len(small_data[1])
    seen = {}
    for limit in range(4, 20):
        commands = {"emit": ["emit", "--log", log, one], "materialize": ["materialize", "--once", "--index", at],
                    "query": ["query", "jobs", "--index", at], "rebuild": ["rebuild", "--index", at], "verify": ["verify", "--index", at],
                    "snapshot": ["snapshot", tmp_path / f"copy{limit}", "--index", at]}
        for name, command in commands.items():
            def few():
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            done = subprocess.run([PROGRAM, *map(str, command)], env=provmat.environment, capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL, preexec_fn=few, timeout=60)
            if "loading shared libraries" in done.stderr:
                continue
            seen.setdefault(name, set()).add(done.returncode)
            if done.returncode != 0:
                assert done.returncode in (3, 4) and "too many open files" in done.stderr and "ulimit -n" in done.stderr, (limit, name, done)
            elif name == "emit":
                want += 1
    assert all(codes >= {0} for codes in seen.values()), seen
    assert seen["materialize"] > {0} and seen["snapshot"] > {0}, "no limit was too small: this test sees nothing"
    provmat("materialize", "--once", "--index", at)
    assert applied(provmat, at) == want
    provmat("verify", "--against-log", "--index", at)
