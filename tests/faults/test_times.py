"""Killed from outside, whenever: SIGKILL after a random time, by seed."""

import random
import signal
import subprocess
import time

import pytest

from faults.conftest import KILLS, SEED
from faults.scene import content, feed, text_of, world_lines
from reference import events

SEEDS = 10  # worlds that the kills are spread over


def duration(call):
    started = time.monotonic()
    call()
    return time.monotonic() - started


@pytest.mark.parametrize("number", range(SEEDS))
def test_killed_at_random_times(number, scene):
    """Emit, materialize and rebuild are killed in turn; what was acknowledged stays, once, and every answer is right."""
    s = scene(f"{SEED}/{number}", 300)
    portions = max(1, KILLS // SEEDS // 4)
    least = {}  # how long a command takes by itself
    kills = events_there = 0
    for k in range(portions):
        lines = s.lines[k * len(s.lines) // portions:(k + 1) * len(s.lines) // portions]
        kills += killed(s, "emit", least, lines)
        events_there = s.hold_log(events_there, lines) if s.exists() else 0
        least["emit"] = duration(lambda: s.run("emit", "--log", s.log, input=text_of(lines)))
        events_there = s.hold_log(events_there, lines, complete=True)
        if s.random.random() < 0.3:
            s.spoil()
        for name in ("materialize", "materialize", "rebuild"):
            if name == "rebuild":
                least["materialize"] = duration(lambda: s.run(*s.command("materialize")))
            kills += killed(s, name, least)
            s.hold_index(f"portion {k}, {name} killed", complete=name == "rebuild")
        least["rebuild"] = duration(lambda: s.run(*s.command("rebuild")))
    s.hold_index("at the end", per_item=4, complete=True)
    print(f"{kills} kills of {4 * portions} met the program alive")
    assert kills >= portions, "hardly any kill came in time: this test shows little"


def killed(s, name, least, lines=None):
    return s.kill_after(s.random.random() * least.get(name, 0.02), name, lines)


@pytest.mark.parametrize("number", range(max(1, KILLS // 40)))
def test_two_emitters_killed_mid_batch(number, scene):
    """Two emitters append to one local log; one or both are killed. The other goes on, and what either appended is whole."""
    s = scene(f"{SEED}/two/{number}", 20)
    rng = random.Random(f"two {SEED} {number}")
    s.run("log", "create", "--log", s.log)
    streams = [world_lines(rng, 400), world_lines(rng, 400)]
    processes = [s.provmat.start("emit", "--log", s.log, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 env={"PROVMAT_FAULT_LIMITS": "group_records=3"}) for _ in streams]
    for process, lines in zip(processes, streams):
        feed(process, lines)
    time.sleep(rng.random() * 0.05)
    for process in processes[:rng.randint(1, 2)]:
        process.kill()
    for process in processes:
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(60) in (0, -signal.SIGKILL), err
    wanted = [[content(event) for event in events.read(lines)] for lines in streams]
    rows = [content(event) for _, event in s.replayed()]
    ways = merged(rows, *wanted)
    assert ways, f"seed {SEED}/{number}: the log is not made of two beginnings"
    for process, lines, taken in zip(processes, wanted, zip(*ways)):
        assert process.returncode != 0 or len(lines) in taken, f"{len(lines)} were acknowledged, {max(taken)} are there"
    for lines in streams:  # whoever was killed begins anew
        s.run("emit", "--log", s.log, input=text_of(lines))
    s.run(*s.command("materialize"))
    s.hold_index("two emitters", complete=True)


def merged(rows, one, other):
    """All (i, j) such that `rows` is the first i of one and the first j of the other, in whatever way they alternate."""
    ways = {(0, 0)}
    for row in rows:
        ways = {(i + 1, j) for i, j in ways if i < len(one) and one[i] == row} | {(i, j + 1) for i, j in ways
                                                                                  if j < len(other) and other[j] == row}
    return ways


def test_follower_killed_while_emitting(scene):
    """A materializer that follows is killed again and again while events come in."""
    s = scene(f"{SEED}/follow", 300)
    s.run("log", "create", "--log", s.log)
    for k in range(max(4, KILLS // 20)):
        follower = s.provmat.start("materialize", "--log", s.log, "--index", s.index, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=s.environment)
        s.run("emit", "--log", s.log, input=text_of(s.random.sample(s.lines, 40)))
        time.sleep(s.random.random() * 0.05)
        assert follower.poll() is None
        follower.kill()
        follower.wait(30)
        s.hold_index(f"follower, kill {k}")
    s.run(*s.command("materialize"))
    s.hold_index("at the end", per_item=4, complete=True)
