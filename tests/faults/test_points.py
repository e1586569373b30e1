"""Every point of common/base/fault.def in turn: the program is killed there, or told that it failed."""

import random
import shutil
import signal
import time

import pytest

from conftest import Provmat
from faults.conftest import POINTS as ALL_POINTS
from faults.conftest import SEED
from faults.scene import Scene, text_of

COMMANDS = ("create", "emit", "materialize", "rebuild", "rebuild by two renames")
SMALL_MAP = ",map_bytes=1048576"
ONLY_BY_TWO_RENAMES = "rebuild_between_renames"
POINTS = [point for point in ALL_POINTS if not point.startswith("put_")]  # those are of test_put.py


class Prepared:
    """For each command a log and an index at the moment before it, copied for each try; and how often it passes each point."""

    def __init__(self, folder, rawlog):
        self.folder, self.rawlog, self.tries = folder, rawlog, 0
        (folder / "home").mkdir()
        self.provmat = Provmat(folder / "home")
        self.passes = {}
        scene = self.new("base")
        self.lines, self.old = scene.lines, len(scene.lines) // 3
        self.keep("create", scene, 0)
        scene.run("emit", "--log", scene.log, input=text_of(self.lines[:self.old]))
        scene.spoil()
        scene.run(*scene.command("materialize"))
        self.keep("emit", scene, self.old)
        scene.run("emit", "--log", scene.log, input=text_of(self.lines[self.old:]))
        scene.spoil()
        self.keep("materialize", scene, len(self.lines))
        scene.run(*scene.command("materialize"))
        self.keep("rebuild", scene, len(self.lines))
        self.keep("rebuild by two renames", scene, len(self.lines))
        for command in COMMANDS:
            scene, _ = self.at(command)
            self.passes[command] = scene.counts(*self.arguments(command, scene), tmp=folder / "counts", input=self.input(command),
                                                fault=self.fault(command))

    def new(self, name):
        scene = Scene(self.provmat, self.rawlog, f"local:{self.folder}/{name}-log", f"{self.folder}/{name}-index", SEED)
        scene.environment["PROVMAT_FAULT_LIMITS"] += SMALL_MAP
        return scene

    def keep(self, command, scene, emitted):
        kept = self.new(f"kept {command}")
        copy(scene, kept)
        setattr(self, f"_{command}", (kept, emitted))

    def at(self, command):
        """A fresh copy, and how many events its log holds."""
        kept, emitted = getattr(self, f"_{command}")
        for old in self.folder.glob("try*"):
            shutil.rmtree(old)
        self.tries += 1
        scene = self.new(f"try{self.tries}")
        copy(kept, scene)
        return scene, emitted

    def arguments(self, command, scene):
        return ["emit", "--log", scene.log] if command == "create" else scene.command(command.split(" ", maxsplit=1)[0])

    def input(self, command):
        """What the command emits."""
        return text_of(self.lines[:self.old] if command == "create" else self.lines[self.old:]) if command in ("create", "emit") else None

    def emitting(self, command):
        return self.lines[:self.old] if command == "create" else self.lines[self.old:] if command == "emit" else []

    @staticmethod
    def fault(command, more=None):
        return ",".join(filter(None, ["rebuild_exchange:1:error" if "renames" in command else None, more])) or None


def copy(source, target):
    for a, b in ((source.log[6:], target.log[6:]), (source.index, target.index)):
        shutil.rmtree(b, ignore_errors=True)
        try:
            shutil.copytree(a, b)
        except FileNotFoundError:
            pass


@pytest.fixture(scope="session")
def prepared(memory, rawlog):
    (memory / "prepared").mkdir()
    return Prepared(memory / "prepared", rawlog)


def tries(prepared, point):
    """(command, which passing) for the first passing and a random one of every command that comes by."""
    rng = random.Random(f"{SEED} {point}")
    for command in COMMANDS:
        passes = prepared.passes[command][point]
        for n in sorted({1, rng.randint(1, passes)} if passes else ()):
            yield command, n


def hold(prepared, command, scene, before, complete, where):
    if command in ("create", "emit"):
        if complete or scene.exists():
            scene.hold_log(before, prepared.emitting(command), complete)
    else:
        scene.hold_index(where, complete=complete)


@pytest.mark.parametrize("point", [point for point in POINTS if point != "rebuild_exchange"])
def test_killed_at(point, prepared):
    tried = 0
    for command, n in tries(prepared, point):
        scene, before = prepared.at(command)
        where = f"{command} killed at {point}, passing {n}"
        arguments, text = prepared.arguments(command, scene), prepared.input(command)
        scene.run(*arguments, input=text, check=-signal.SIGKILL, fault=prepared.fault(command, f"{point}:{n}:kill"))
        # A rebuild leaves an index that answers for everything, the old one or the new one.
        hold(prepared, command, scene, before, "rebuild" in command and point != ONLY_BY_TWO_RENAMES, where)
        if command in ("create", "emit"):
            before = len(scene.replayed()) if scene.exists() else 0
        if point == ONLY_BY_TWO_RENAMES:
            arguments = scene.command("materialize")
        scene.run(*arguments, input=text)
        hold(prepared, command, scene, before, True, where + ", then run again")
        tried += 1
    assert tried, f"nothing passes {point}: the test of it shows nothing"


@pytest.mark.parametrize("point", [point for point in POINTS if point != "rebuild_exchange"])
def test_failed_at(point, prepared):
    """The same places with an error: it is told, with exit 3 or 4, and leaves nothing half done."""
    for command, n in list(tries(prepared, point))[-1:]:
        scene, before = prepared.at(command)
        where = f"{command} failed at {point}, passing {n}"
        arguments, text = prepared.arguments(command, scene), prepared.input(command)
        done = scene.run(*arguments, input=text, check=None, fault=prepared.fault(command, f"{point}:{n}:error"))
        assert done.returncode == (4 if command in ("create", "emit") else 3), (where, done.returncode, done.err)
        assert "planned fault at" in done.err or point == ONLY_BY_TWO_RENAMES, (where, done.err)
        hold(prepared, command, scene, before, "rebuild" in command, where)
        if command in ("create", "emit"):
            before = len(scene.replayed()) if scene.exists() else 0
        scene.run(*arguments, input=text)
        hold(prepared, command, scene, before, True, where + ", then run again")


@pytest.mark.parametrize("point", ["apply_before_names", "apply_before_runs", "apply_before_commit", "merge_step", "quarantine_row"])
def test_map_full_at(point, prepared):
    """A full memory map is no error: the batch is applied again with more room."""
    scene, _ = prepared.at("materialize")
    scene.run(*scene.command("materialize"), fault=f"{point}:1:full")
    scene.hold_index(f"map full at {point}", complete=True)


def test_map_too_small_for_a_batch(prepared):
    """Not planned but real: with next to no room in the map every batch runs into its end, and is applied again with more."""
    scene, _ = prepared.at("materialize")
    scene.environment["PROVMAT_FAULT_LIMITS"] = "batch_ops=1000,map_bytes=65536,headroom=1"
    passed = scene.counts(*scene.command("rebuild"), tmp=prepared.folder / "counts")
    assert passed["apply_before_names"] > passed["apply_before_commit"], "no batch was applied twice: this test shows nothing"
    scene.hold_index("a map too small", complete=True)


def test_map_grown_by_another_process(prepared):
    """A reader that follows a log sees what is appended after an emitter has grown the log beyond the reader's own map."""
    scene, _ = prepared.at("materialize")
    scene.environment["PROVMAT_FAULT_LIMITS"] = "batch_ops=24,map_bytes=65536,headroom=65536"
    follower = scene.provmat.start("materialize", "--log", scene.log, "--index", scene.index, env=scene.environment)
    try:
        for _ in range(3):
            scene.run("emit", "--log", scene.log, input=text_of(prepared.lines))
        wanted = len(scene.records())
        until = time.monotonic() + 60
        while sum((scene.applied() or {0: 0}).values()) < wanted and follower.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert follower.poll() is None, follower.stderr.read()
    finally:
        follower.terminate()
        follower.communicate()
    scene.hold_index("a log grown meanwhile", complete=True)
