"""Random worlds: whatever way the events come in, the program gives the answers of the reference, row by row.

`PROVMAT_SEEDS=200 pytest tests/cli/test_reference.py` tries more of them, `PROVMAT_SEEDS==17` one.
"""

import datetime
import io
import json
import os
import random
import shutil

import pytest

from conftest import ROOT, read_data
from reference import avro, compare, events, expected, generator
from reference.program import ProgramAnswers
from reference.world import World


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def seeds(default):
    text = os.environ.get("PROVMAT_SEEDS", str(default))
    return [int(text[1:])] if text.startswith("=") else list(range(int(text)))


def lines_of(world):
    return [json.dumps(event, ensure_ascii=False) for event in world]


def content(event):
    return events.canonical({key: value for key, value in event.items() if key != "event_id"})


def partition(rng, values, n):
    """Cuts a list into n pieces, some of them perhaps empty."""
    cuts = sorted(rng.randrange(len(values) + 1) for _ in range(n - 1))
    return [values[a:b] for a, b in zip([0, *cuts], [*cuts, len(values)])]


def replayed(provmat, log):
    return events.read(provmat("replay", "--log", log).stdout.decode().splitlines())


def digests(provmat, index):
    rows = provmat.json_rows("--index", index, "verify")
    assert all(row["ok"] is True for row in rows), rows
    return {row["view"]: (row["version"], row["rows"], row["digest"]) for row in rows}


# ---- the reference itself ----
def test_reference_gives_the_expected_answers_of_the_real_data(real_data):
    name, lines, want = real_data
    differences = list(expected.differences(World(events.read(lines)), want))
    assert differences == [], name


def test_reference_answers_follow_the_set_alone():
    for seed in range(12):
        world = events.read(lines_of(generator.world(seed)))
        mixed = world * 2
        random.Random(seed).shuffle(mixed)
        one, other = World(world), World(mixed)
        assert (one.jobs(), one.results(), one.conflicts(), one.stats()) == (other.jobs(), other.results(), other.conflicts(),
                                                                             other.stats())


def test_the_comparison_sees_every_difference():
    """One field of one row changed, a row gone, a row too many, two rows exchanged: each is told."""
    world = World(events.read(lines_of(generator.world(5))))
    for rows in (world.jobs(), world.results(), world.conflicts(), [world.result(path) for path in world.of_result], [world.stats()]):
        assert compare.rows_differ(rows, rows) is None
        for number, row in enumerate(rows):
            for key, value in row.items():
                changed = [*rows[:number], {**row, key: [value]}, *rows[number + 1:]]
                assert compare.rows_differ(changed, rows), (row, key)
        assert compare.rows_differ(rows[1:], rows) and compare.rows_differ([*rows, rows[0]], rows)
        assert len(rows) < 2 or compare.rows_differ([rows[1], rows[0], *rows[2:]], rows)
    assert compare.rows_differ([{"result": "a", "loss": -0.0}], [{"result": "a", "loss": 0.0}])
    assert compare.rows_differ([{"result": "a", "params": {"x": 1}}], [{"result": "a", "params": {"x": 1.0}}])


def test_fingerprints_of_the_avro_specification():
    assert avro.crc64(b'"null"') == 7195948357588979594
    assert avro.crc64(b'"int"') == 8247732601305521295


# ---- the program against it ----
@pytest.mark.parametrize("seed", seeds(32))
def test_world(seed, provmat, rawlog, local, index):
    rng = random.Random(f"ways {seed}")
    world_lines = lines_of(generator.world(seed))

    # One log, any order, materialized at once: every query there is.
    rng.shuffle(world_lines)
    log, live = local(), index()
    provmat.emit(log, world_lines)
    back = replayed(provmat, log)
    assert sorted(map(content, back)) == sorted(map(content, events.read(world_lines))), f"seed {seed}: replay changed an event"
    world = World(back)
    provmat("materialize", "--once", "--log", log, "--index", live)
    compare.hold(ProgramAnswers(provmat, live), world, len(back), seed, "materialized at once", None if len(world.of_result) < 60 else 12)
    want = digests(provmat, live)

    # Several partitions, portions, lines that come twice.
    many, grown = local(), index()
    provmat("log", "create", "--log", many, "--partitions", str(rng.randint(2, 5)))
    twice = world_lines + rng.sample(world_lines, len(world_lines) // 3)
    rng.shuffle(twice)
    for portion in partition(rng, twice, rng.randint(2, 4)):
        if portion:
            provmat.emit(many, portion)
        provmat("materialize", "--once", "--log", many, "--index", grown)
    compare.hold(ProgramAnswers(provmat, grown), world, len(twice), seed, "grown in portions", 3)
    assert digests(provmat, grown) == want, f"seed {seed}: grown in portions"

    # The same rebuilt beside the old one, and once more from nothing.
    provmat("rebuild", "--log", many, "--index", grown)
    compare.hold(ProgramAnswers(provmat, grown), world, len(twice), seed, "rebuilt", 2)
    assert digests(provmat, grown) == want, f"seed {seed}: rebuilt"
    shutil.rmtree(grown)
    provmat("materialize", "--once", "--log", many, "--index", grown)
    assert digests(provmat, grown) == want, f"seed {seed}: index deleted and made again"

    # Records of a foreign producer: JSON texts and another encoder's Avro, each event in any partition.
    foreign, other = local(), index()
    provmat("log", "create", "--log", foreign, "--partitions", "4")
    codec = avro.Codec(ROOT / "schemas")
    values = [line.encode() for line in world_lines]
    values += [codec.single_object(event["type"], avro.event_to_record(event)) for event in rng.sample(back, len(back) // 2)]
    rng.shuffle(values)
    for portion in partition(rng, values, 2):
        rawlog.append(foreign, [(rng.randbytes(6), value) for value in portion])
        provmat("materialize", "--once", "--log", foreign, "--index", other)
    compare.hold(ProgramAnswers(provmat, other), world, len(values), seed, "foreign records", 2)
    assert digests(provmat, other) == want, f"seed {seed}: foreign records"


def script_of(rng, lines):
    """The lines on several partitions of a memory log, read in portions: lines that come twice, gaps, records delivered again, polls that
    fail."""
    n = rng.randint(1, 5)
    script, there = [f"make {n}"], [[] for _ in range(n)]
    twice = lines + rng.sample(lines, len(lines) // 3)
    rng.shuffle(twice)
    for portion in partition(rng, twice, rng.randint(1, 4)):
        for line in portion:
            at = rng.randrange(n)
            offset = there[at][-1][0] + 1 + rng.choice((0, 0, 0, 2)) if there[at] else 0
            there[at].append((offset, line))
            script.append(f"put {at} {offset} {line}")
            if rng.random() < 0.1:
                script.append("put {} {} {}".format(at, *rng.choice(there[at])))
        script.append(f"order {rng.randrange(4)} {rng.randrange(2 ** 32)}")
        script += [f"fail {rng.randrange(6)}"] * (rng.random() < 0.4) + ["materialize"]
    return script + ["materialize"]


@pytest.mark.parametrize("seed", seeds(10))
def test_world_on_the_memory_log(seed, provmat, memlog, local, index):
    rng = random.Random(f"memory {seed}")
    log, live, rebuilt = local(), index(), index()
    provmat.emit(log, lines_of(generator.world(seed)))
    lines = provmat("replay", "--log", log).stdout.decode().splitlines()
    world = World(events.read(lines))
    memlog(live, rng.choice((1, 5, 0)), script_of(rng, lines))
    answers = ProgramAnswers(provmat, live)
    compare.hold(answers, world, answers.stats()["events"], seed, "memory log", 6)
    script = script_of(rng, lines)
    memlog(rebuilt, rng.choice((1, 5, 0)), [*script, "rebuild"])
    assert digests(provmat, rebuilt) == digests(provmat, live), f"seed {seed}: memory log, rebuilt"
    places = {tuple(line.split(" ", 3)[1:3]) for line in script if line.startswith("put ")}
    assert ProgramAnswers(provmat, rebuilt).stats()["events"] == len(places), "a record that is delivered again counts once"


@pytest.mark.parametrize("seed", seeds(2))
def test_large_world(seed, provmat, local, index):
    """Many batches on four partitions, each in a process of its own: chunks overflow, runs merge, tables are read back."""
    rng = random.Random(f"large {seed}")
    lines = lines_of(generator.large_world(seed))
    lines += rng.sample(lines, len(lines) // 10)
    rng.shuffle(lines)
    log, grown, at_once = local(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "4")
    for portion in partition(rng, lines, 24):
        if portion:
            provmat.emit(log, portion)
        provmat("materialize", "--once", "--log", log, "--index", grown)
    world = World(replayed(provmat, log))
    compare.hold(ProgramAnswers(provmat, grown), world, len(lines), seed, "large, grown in portions", 20)
    provmat("materialize", "--once", "--log", log, "--index", at_once)
    assert digests(provmat, at_once) == digests(provmat, grown)


@pytest.mark.parametrize("seed", seeds(4))
def test_what_travels_is_what_was_emitted(seed, provmat, rawlog, local):
    """Every record is read by another decoder, and a copy of the log made by `replay | emit` is the same log."""
    log, copy = local(), local()
    provmat.emit(log, lines_of(generator.world(seed)))
    codec = avro.Codec(ROOT / "schemas")
    decoded = [avro.record_to_event(*codec.read(value)) for _, _, _, _, value in rawlog.dump(log)]
    back = replayed(provmat, log)
    assert list(map(events.canonical, decoded)) == list(map(events.canonical, back))
    for (_, _, timestamp, key, _), event in zip(rawlog.dump(log), back):
        assert key.decode() == event.get("job_id", event.get("result"))
        assert timestamp == event["occurred_at"] // 1000
    text = provmat("replay", "--log", log).stdout
    provmat("emit", "--log", copy, input=text)
    assert [row[1:] for row in rawlog.dump(copy)] == [row[1:] for row in rawlog.dump(log)]


def test_another_avro_implementation_reads_and_writes_the_same(provmat, rawlog, local, index):
    fastavro = pytest.importorskip("fastavro")
    log, foreign, at, other = local(), local(), index(), index()
    provmat.emit(log, lines_of(generator.world(6)))
    codec = avro.Codec(ROOT / "schemas")
    values = []
    for _, _, _, _, value in rawlog.dump(log):
        name, record = codec.read(value)
        schema = fastavro.parse_schema(dict(codec.schemas[name]))
        read = fastavro.schemaless_reader(io.BytesIO(value[10:]), schema)
        read = {key: int((item - EPOCH) / MICROSECOND) if isinstance(item, datetime.datetime) else item for key, item in read.items()}
        assert read == record
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, record)
        assert out.getvalue() == value[10:]
        values.append((b"k", value[:10] + out.getvalue()))
    rawlog.append(foreign, values)
    for url, directory in ((log, at), (foreign, other)):
        provmat("materialize", "--once", "--log", url, "--index", directory)
    assert digests(provmat, at) == digests(provmat, other)


def test_the_same_event_has_the_same_id_however_it_comes(provmat, rawlog, local):
    """A line without event_id: emitted, and as a JSON record of a foreign producer, with its keys in any order."""
    world = [{key: value for key, value in event.items() if key != "event_id"} for event in generator.world(3)]
    log, raw = local(), local()
    provmat.emit(log, lines_of(world))
    provmat("log", "create", "--log", raw, "--partitions", "1")
    rawlog.append(raw, [(b"k", json.dumps(dict(reversed(event.items()))).encode()) for event in world])
    ids = [event["event_id"] for event in replayed(provmat, log)]
    assert ids == [event["event_id"] for event in replayed(provmat, raw)]
    assert len(set(ids)) == len({content(event) for event in events.read(lines_of(world))})


@pytest.mark.parametrize("seed", seeds(6))
def test_rebuild_until_leaves_out_what_came_later(seed, provmat, local, index):
    log, past = local(), index()
    provmat.emit(log, lines_of(generator.world(seed)))
    back = replayed(provmat, log)
    times = sorted({event["occurred_at"] for event in back})
    until = times[len(times) // 2]
    provmat("rebuild", "--log", log, "--index", past, "--until", events.time_text(until))
    kept = [event for event in back if event["occurred_at"] <= until]
    answers, world = ProgramAnswers(provmat, past), World(kept)
    for name, got, want in (("jobs", answers.jobs(), world.jobs()), ("results", answers.results(), world.results()),
                            ("conflicts", answers.conflicts(), world.conflicts())):
        assert compare.rows_differ(got, want, name != "conflicts") is None, (seed, name)
    refused = provmat("materialize", "--once", "--log", log, "--index", past, check=3)
    assert "--until" in refused.err, refused.err
    assert events.time_text(until) in provmat("--index", past, "stats").stdout.decode()


def test_real_data_has_nothing_that_the_reference_would_not_see():
    """The generator and the real data meet: every event type and every result field of the real sets occurs in a random world."""
    real = {(event["type"], key) for name in ("small", "week") for event in events.read(read_data(name)[1]) for key in event}
    made = {(event["type"], key) for seed in range(40) for event in events.read(lines_of(generator.world(seed))) for key in event}
    assert real <= made, sorted(real - made)
