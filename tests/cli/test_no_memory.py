"""Each allocation fails once, alone or with all that follow: the program ends with a clear message and exit status 3, never by a signal; what
it says it did is done; the next run completes, and its answers are those of a run that lacked nothing.

Allocations are counted from main on, in all threads (tests/tools/preload/memory.c). Every one of short commands is tried, and a seeded
sample of the rest; PROVMAT_ALLOCATIONS=all tries every one of all commands. Those of librdkafka are left out: it ends the process by an
assertion of its own. No command here has a broker.
"""
import concurrent.futures
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import PROGRAM, ROOT, read_data

ALL = os.environ.get("PROVMAT_ALLOCATIONS") == "all"
SHORT = 40
READINGS, WRITINGS = 16, 6  # of the sample
WORDS = ("out of memory", "Cannot allocate memory", "Resource temporarily unavailable")
NO_MEMORY = 3


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    flags = (PROGRAM.parent / "flags").read_text() if (PROGRAM.parent / "flags").exists() else ""
    if "-fsanitize" in flags:
        pytest.skip("a sanitizer has allocators of its own")
    out = tmp_path_factory.mktemp("preload") / "memory.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", out, ROOT / "tests/tools/preload/memory.c"], check=True)
    return out


class Place:
    """A directory with the log and the index of the default names in it, which a command is run in."""

    def __init__(self, path, library):
        self.path, self.library = path, library

    def __call__(self, *command, **memory):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PROVMAT", "MEMORY"))}
        environment.update(HOME=str(self.path), NO_COLOR="1", LC_ALL="C.UTF-8")
        if memory:
            environment.update(LD_PRELOAD=str(self.library), **{f"MEMORY_{name}": str(value) for name, value in memory.items()})
        return subprocess.run([PROGRAM, *map(str, command)], cwd=self.path, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=60, check=False)

    def good(self, *command):
        done = self(*command)
        assert done.returncode == 0, (command, done)
        return done

    def copy(self, name):
        path = self.path.parent / name
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path)
        return Place(path, self.library)

    def allocations(self, command):
        count = self.path.parent / f"count-{os.getpid()}"
        self(*command, COUNT=count)
        return int(count.read_text())

    def records(self):
        return self.good("replay").stdout.count("\n")

    def answers(self):
        return self.good("verify", "-f", "ndjson").stdout, self.good("query", "conflicts").stdout, self.good("query", "jobs").stdout


@pytest.fixture(scope="session")
def story(library):
    """Places: with nothing, with a log, with half of the log applied, with all."""
    folder = Path(tempfile.mkdtemp(prefix="provmat-memory-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    lines = [line + "\n" for line in read_data("small")[1]]
    (folder / "half").write_text("".join(lines[: len(lines) // 2]))
    (folder / "events").write_text("".join(lines))
    (folder / "nothing").mkdir()
    nothing = Place(folder / "nothing", library)
    log = nothing.copy("log")
    log.good("emit", folder / "events")
    half = nothing.copy("half-applied")
    half.good("emit", folder / "half")
    half.good("materialize", "--once")
    half.good("emit", folder / "events")
    full = log.copy("full")
    full.good("materialize", "--once")
    yield {"nothing": nothing, "log": log, "half": half, "full": full, "events": folder / "events"}
    shutil.rmtree(folder)


def chosen(name, count, sample):
    """Which allocations fail, each alone or as the first of all that follow ("N+")."""
    numbers = range(1, count + 1)
    rng = random.Random(name)
    if ALL:
        return [f"{number}{mode}" for number in numbers for mode in ("", "+")]
    if count > SHORT:
        numbers = sorted({*numbers[:4], *rng.sample(numbers, min(count, sample))})
    return [f"{number}{rng.choice(['', '+'])}" for number in numbers]


def clear(done):
    """Ended well, or for want of memory, which it says."""
    return done.returncode == 0 or (done.returncode == NO_MEMORY and any(word in done.stderr for word in WORDS))


def each(work, cases):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(work, cases))


READING = {
    "help": ["help", "emit"],
    "info": ["log", "info"],
    "stats": ["stats"],
    "jobs": ["query", "jobs", "-f", "json"],
    "results": ["query", "results", "--sort", "loss", "-f", "table"],
    "conflicts": ["query", "conflicts", "-f", "csv"],
    "replay": ["replay"],
    "verify": ["verify"],
    "against": ["verify", "--against-log"],
}


@pytest.mark.parametrize("name", READING)
def test_reading(name, story):
    place, command = story["full"], READING[name]
    want = place(*command)
    assert want.returncode == 0

    def work(which):
        done = place(*command, FAIL=which)
        assert clear(done), (command, which, done)
        if done.returncode == 0:  # it did without, and the answer is whole
            assert done.stdout == want.stdout, (command, which, done)

    each(work, chosen(name, place.allocations(command), READINGS))
    assert place(*command).stdout == want.stdout


WRITING = {  # in which place, and how the command is completed
    "create": ("nothing", ["log", "create", "--partitions", "1"], []),
    "emit": ("nothing", ["emit", "EVENTS"], []),
    "materialize": ("log", ["materialize", "--once"], []),
    "go on": ("half", ["materialize", "--once"], []),
    "rebuild": ("full", ["rebuild"], [["rebuild"]]),
    "interrupted rebuild": ("full", ["rebuild"], []),
    "snapshot": ("full", ["snapshot", "copy"], []),
}


@pytest.mark.parametrize("name", WRITING)
def test_writing(name, story):
    start, command, again = WRITING[name]
    command = [str(story["events"]) if word == "EVENTS" else word for word in command]
    want = story["full"].answers() if start != "half" else None
    if want is None:
        whole = story["half"].copy("whole")
        whole.good("materialize", "--once")
        want = whole.answers()
    n_events = story["full"].records()

    def work(which):
        place = story[start].copy(f"{name}-{which}")
        done = place(*command, FAIL=which)
        assert clear(done), (command, which, done)
        if command[0] == "emit":
            if f"{n_events} events appended" in done.stderr:
                assert place.records() == n_events, (which, done)
            elif (place.path / "provmat-data/log/data.mdb").exists() and place("log", "info").returncode == 0:
                assert place.records() in (0, n_events), (which, done)  # a group is committed whole
        if start == "nothing":
            place.good("emit", story["events"])
        if command[0] == "snapshot":
            if done.returncode != 0:
                place.good("snapshot", "copy")
            assert place.good("verify", "--index", "copy", "-f", "ndjson").stdout == want[0], (which, done)
        for completing in [*again, ["materialize", "--once"]]:
            place.good(*completing)
        got = place.answers()
        assert got[1:] == want[1:] and (got[0] == want[0] or start == "nothing"), (command, which, done)
        shutil.rmtree(place.path)

    probe = story[start].copy(f"{name}-probe")
    each(work, chosen(name, probe.allocations(command), WRITINGS))


def test_empty_file_that_was_left(story):
    """What is there when a process ended between making the file of an index and writing into it."""
    place = story["log"].copy("empty-file")
    (place.path / "provmat-data/index").mkdir()
    (place.path / "provmat-data/index/data.mdb").touch()
    place.good("materialize", "--once")
    assert place.answers() == story["full"].answers()


IDENTITY = ["--no-event", "--params", '{"beta":0.5}', "--set", "seed=42", "--set", "entrypoint=m", "--set", "bundle_ref=sha256:" + "a" * 64]


def test_a_store(story):
    """A put that lacked memory leaves nothing in the way of the next one."""
    place = story["nothing"].copy("stored")
    (place.path / "store").mkdir()
    put = ["store", "put", "store", *IDENTITY, "--output", f"table={story['events']}"]
    get = ["store", "get", "store", *IDENTITY, "--to", "out"]
    for case in chosen("put", place.allocations(put), WRITINGS * 4):
        shutil.rmtree(place.path / "store")
        (place.path / "store").mkdir()
        done = place(*put, FAIL=case)
        assert clear(done), (case, done)
        # where there is none at all even a directory cannot be read; the next put removes what is left
        assert case.endswith("+") or not list(place.path.rglob(".provmat-*")), (case, done)
        place.good(*put)
        assert place.good("store", "scan", "store").stdout == ""
    for case in chosen("get", place.allocations(get), WRITINGS * 4):
        shutil.rmtree(place.path / "out", ignore_errors=True)
        done = place(*get, FAIL=case)
        assert clear(done), (case, done)
        place.good(*get)
