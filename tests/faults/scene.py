"""One log, one index, and what must hold after each kill."""

import json
import random
import signal
import subprocess

from reference import compare, events, generator
from reference.program import ProgramAnswers
from reference.world import World

LIMITS = "batch_ops=24,group_records=20"  # so that a small world takes many commits and merges runs
BAD_LINES = [b"no event at all", b"", b"\xc3\x01cut"]


class Scene:
    """`lines`: what is there to emit, in order. `log` and `index`: URL and directory."""

    def __init__(self, provmat, rawlog, log, index, seed, count=240):
        self.provmat, self.rawlog, self.log, self.index, self.seed = provmat, rawlog, log, index, seed
        self.random = random.Random(f"faults {seed}")
        self.lines = world_lines(self.random, count)
        self.emitted = 0  # records that must be in the log
        self.environment = {"PROVMAT_FAULT_LIMITS": LIMITS}

    # ---- running the program ----
    def run(self, *arguments, fault=None, check=(0,), **more):
        environment = dict(self.environment, **({"PROVMAT_FAULT": fault} if fault else {}))
        return self.provmat(*arguments, env=environment, check=check, **more)

    def command(self, name):
        if name == "emit":
            return ["emit", "--log", self.log]
        if name == "materialize":
            return ["materialize", "--once", "--log", self.log, "--index", self.index]
        return [name, "--log", self.log, "--index", self.index]

    def kill_after(self, delay, name, lines=None):
        """Starts a command and ends it by SIGKILL after `delay` seconds; true when it was still alive then."""
        process = self.provmat.start(*self.command(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     stdin=subprocess.DEVNULL if lines is None else subprocess.PIPE, env=self.environment)
        try:
            if lines is not None:
                feed(process, lines)
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait(30)
        assert process.returncode in (0, -signal.SIGKILL), (self.seed, name, process.returncode)
        return process.returncode != 0

    def counts(self, *arguments, tmp, fault=None, **more):
        """How often the command passes each point."""
        environment = dict(self.environment, PROVMAT_FAULT_COUNTS=str(tmp), **({"PROVMAT_FAULT": fault} if fault else {}))
        self.provmat(*arguments, env=environment, **more)
        return {point: int(n) for point, n in (line.split() for line in open(tmp))}

    # ---- what must hold ----
    def replayed(self):
        """(place, event) of every record that is an event."""
        lines = self.provmat("replay", "--log", self.log, check=(0, 6)).stdout.decode().splitlines()
        places = [(row["_partition"], row["_offset"]) for row in map(json.loads, lines)]
        return list(zip(places, events.read(lines)))

    def exists(self):
        """Whether there is a log: a kill while it is being made leaves none."""
        return self.provmat("log", "info", "--log", self.log, check=None).returncode == 0

    def records(self):
        return self.rawlog.dump(self.log)

    def hold_log(self, before, emitting, complete=False):
        """The log (of one partition) holds what it held, and then a beginning of what was being emitted, each once. How many events."""
        rows = [content(event) for _, event in self.replayed()]
        kept, more = rows[:before], rows[before:]
        wanted = [content(event) for event in events.read(emitting)]
        assert len(kept) == before, f"seed {self.seed}: {before} records were acknowledged, {len(kept)} are left"
        assert more == wanted[:len(more)], f"seed {self.seed}: the log is not a beginning of what was emitted"
        assert not complete or len(more) == len(wanted), f"seed {self.seed}: {len(wanted)} acknowledged, {len(more)} there"
        return len(rows)

    def applied(self):
        done = self.provmat("--index", self.index, "stats", check=None)
        if done.returncode == 3 and "there is no index" in done.err or "not a provmat index" in done.err:
            return None
        assert done.returncode == 0, (self.seed, done.err)
        return {row["partition"]: row["applied"] for row in json.loads(done.stdout)["partitions"]}

    def hold_index(self, where, per_item=1, complete=False):
        """The index is sound and answers for exactly the records that its offsets claim."""
        applied = self.applied()
        if applied is None:
            assert not complete, f"seed {self.seed}, {where}: there is no index"
            return 0
        rows = self.replayed()
        if complete:
            ends = {}
            for partition, offset, *_ in self.records():
                ends[partition] = offset + 1
            assert {p: n for p, n in applied.items() if n} == ends, f"seed {self.seed}, {where}: applied {applied}, log {ends}"
        taken = [(place, event) for place, event in rows if place[1] < applied.get(place[0], 0)]
        world = World([event for _, event in taken])
        verified = self.provmat.json_rows("--index", self.index, "verify")
        assert all(row["ok"] is True for row in verified), (self.seed, where, verified)
        compare.hold(ProgramAnswers(self.provmat, self.index), world, len(taken), self.seed, where, per_item)
        quarantined = {(p, o) for p, o, _, _, _ in self.records() if o < applied.get(p, 0)} - {place for place, _ in taken}
        listed = {(row["partition"], row["offset"]) for row in
                  self.provmat.json_rows("--index", self.index, "quarantine", "list", check=(0, 1))}
        assert listed == quarantined, (self.seed, where)
        return len(taken)

    def spoil(self):
        """Records that nobody can apply, so that the quarantine is written too."""
        self.rawlog.append(self.log, [(b"bad", value) for value in BAD_LINES])


def content(event):
    return events.canonical({key: value for key, value in event.items() if key != "event_id"})


def world_lines(rng, count):
    """`count` lines of random worlds, with ids and times of their own, so that the same line emitted twice is the same event."""
    lines = []
    while len(lines) < count:
        lines += [json.dumps(event, ensure_ascii=False) for event in generator.world(rng.randrange(10 ** 6))]
    lines = lines[:count]
    rng.shuffle(lines)
    return lines


def text_of(lines):
    return "".join(line + "\n" for line in lines).encode()


def feed(process, lines):
    """What fits into the pipe at once; the process may be gone."""
    try:
        process.stdin.write(text_of(lines))
        process.stdin.close()
    except BrokenPipeError:
        pass
