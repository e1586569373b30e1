"""Random worlds and the real data through a real broker, and what only a broker has: null values, partitions chosen by others."""

import json
import random
import subprocess

import pytest

from conftest import ROOT
from reference import avro, compare, events, expected, generator
from reference.program import ProgramAnswers
from reference.world import World
from test_real_data import sample_of
from test_reference import digests, lines_of, partition, replayed, seeds


def kcat(kafka_address, topic, partition_number, key, values, tmp_path):
    """Produces each value as one message by another producer."""
    files = []
    for number, value in enumerate(values):
        files.append(tmp_path / f"message{number}")
        files[-1].write_bytes(value)
    subprocess.run(["kcat", "-P", "-b", kafka_address, "-t", topic, "-p", str(partition_number), "-k", key, *map(str, files)], check=True,
                   capture_output=True)


def produce_null(kafka_address, topic):
    subprocess.run(["kcat", "-P", "-b", kafka_address, "-t", topic, "-p", "0", "-K", ":", "-Z"], input=b"key:\n", check=True,
                   capture_output=True)


def topic_of(url):
    return url.rpartition("/")[2]


@pytest.mark.parametrize("seed", seeds(5))
def test_world(seed, provmat, rawlog, kafka, index, local):
    rng = random.Random(f"kafka {seed}")
    world_lines = lines_of(generator.world(seed))
    log, live, offline = kafka(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "3")
    twice = world_lines + rng.sample(world_lines, len(world_lines) // 3)
    rng.shuffle(twice)
    for portion in partition(rng, twice, 3):
        if portion:
            provmat.emit(log, portion)
        provmat("materialize", "--once", "--log", log, "--index", live)
    back = replayed(provmat, log)
    world = World(back)
    assert len(back) == len(twice)
    compare.hold(ProgramAnswers(provmat, live), world, len(twice), seed, "kafka", 4)
    want = digests(provmat, live)

    codec = avro.Codec(ROOT / "schemas")
    rawlog.append(log, [(rng.randbytes(5), codec.single_object(e["type"], avro.event_to_record(e))) for e in rng.sample(back,
                                                                                                                        len(back) // 4)])
    provmat("materialize", "--once", "--log", log, "--index", live)
    assert digests(provmat, live) == want, f"seed {seed}: re-delivered by another producer"
    provmat("rebuild", "--log", log, "--index", live)
    assert digests(provmat, live) == want, f"seed {seed}: rebuilt"

    # The same events on the local log: the same answers.
    copy = local()
    provmat("emit", "--log", copy, input=provmat("replay", "--log", log).stdout)
    provmat("materialize", "--once", "--log", copy, "--index", offline)
    assert digests(provmat, offline) == want, f"seed {seed}: copied to a local log"


def test_real_data(provmat, kafka, index, real_data):
    name, lines, want = real_data
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "4")
    provmat.emit(log, lines)
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert list(expected.differences(ProgramAnswers(provmat, at), want, sample_of(want, 40))) == [], name
    assert provmat("--index", at, "verify", "--against-log", "--log", log)


def test_log_info_and_end(provmat, kafka, index, small_data):
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "2")
    provmat.emit(log, small_data[1])
    info = provmat("log", "info", "--log", log, "-f", "json").stdout.decode()
    for setting in ("cleanup.policy", "retention.ms", "retention.bytes"):
        assert setting in info
    provmat("materialize", "--once", "--log", log, "--index", at)
    stats = provmat.json_rows("--index", at, "--log", log, "stats")[0]
    assert sum(p["end"] for p in stats["partitions"]) == len(small_data[1])
    assert all(p["lag"] == 0 for p in stats["partitions"]) and len(stats["partitions"]) == 2


def test_log_create_twice_is_refused(provmat, kafka):
    log = kafka()
    provmat("log", "create", "--log", log)
    again = provmat("log", "create", "--log", log, check=4)
    assert "exists" in again.err and topic_of(log) in again.err


@pytest.mark.parametrize("command", [["materialize", "--once"], ["replay"], ["emit"], ["log", "info"], ["rebuild"]])
def test_topic_that_does_not_exist(provmat, kafka, index, command):
    log = kafka()
    line = json.dumps(generator.world(1)[0])
    done = provmat(*command, "--log", log, "--index", index(), input=line + "\n", check=4, timeout=60)
    assert topic_of(log) in done.err and "provmat log create" in done.err, done.err


def test_records_that_cannot_be_applied(provmat, kafka, kafka_address, index, small_data, tmp_path):
    """Empty value, null value, cut record, rubbish, and JSON that emit would refuse, by kcat, with good records around them."""
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "1")
    half = len(small_data[1]) // 2
    provmat.emit(log, small_data[1][:half])
    codec = avro.Codec(ROOT / "schemas")
    event = events.read(small_data[1])[0]
    record = codec.single_object(event["type"], avro.event_to_record(event))
    produce_null(kafka_address, topic_of(log))
    kcat(kafka_address, topic_of(log), 0, "k", [record[:20], record + b"x", b"\xc3\x01" + b"\x11" * 30, b"rubbish",
                                                b'{"type":"Nothing"}', b"[]"],
         tmp_path)
    provmat.emit(log, small_data[1][half:])
    provmat("materialize", "--once", "--log", log, "--index", at)
    rows = provmat.json_rows("--index", at, "quarantine", "list")
    assert [(row["partition"], row["offset"]) for row in rows] == [(0, half + n) for n in range(7)]
    assert [row["class"] for row in rows] == ["malformed bytes", "malformed bytes", "malformed bytes", "unknown schema", "malformed bytes",
                                              "invalid event", "malformed bytes"], rows
    assert "null" in rows[0]["reason"] and "left over" in rows[2]["reason"] and "Nothing" in rows[5]["reason"], rows
    assert list(expected.differences(ProgramAnswers(provmat, at), small_data[2], sample_of(small_data[2], 10))) == []


def test_records_of_transactions_and_other_keys(provmat, kafka, kafka_address, index, tmp_path):
    """JSON by kcat without event_id and occurred_at: the record's own timestamp serves, and a re-reading gives the same."""
    log, at, again = kafka(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "2")
    kcat(kafka_address, topic_of(log), 1, "any key",
         [b'{"type":"ResultComputed","job_id":"by hand","result":"a/b","kind":"sim","loss":1.5}'], tmp_path)
    for directory in (at, again):
        provmat("materialize", "--once", "--log", log, "--index", directory)
    assert digests(provmat, at) == digests(provmat, again)
    assert ProgramAnswers(provmat, at).result("a/b")["loss"] == 1.5


def test_broker_that_cannot_be_reached(provmat, index):
    for command in (["materialize", "--once"], ["replay"], ["log", "info"], ["log", "create"]):
        done = provmat(*command, "--log", "kafka://127.0.0.1:1/topic", "--index", index(), "-X", "provmat.timeout.ms=1000",
                       check=4, timeout=90)
        assert "could not reach 127.0.0.1:1" in done.err and "Connection refused" in done.err, done.err


# ---- Confluent framing, with a real registry ----
def test_records_framed_for_a_registry(provmat, rawlog, kafka, index, registry_url, small_data):
    log, at = kafka(), index()
    setting = ["-X", f"schema.registry.url={registry_url}"]
    provmat("log", "create", "--log", log, "--partitions", "2")
    provmat("emit", "--log", log, *setting, input="\n".join(small_data[1]) + "\n")
    assert {row[4][:1] for row in rawlog.dump(log)} == {b"\0"}
    provmat("materialize", "--once", "--log", log, "--index", at, *setting)
    assert list(expected.differences(ProgramAnswers(provmat, at), small_data[2], sample_of(small_data[2], 10))) == []
    assert len(provmat.json_rows("replay", "--log", log, *setting)) == len(small_data[1])


def test_without_the_registry_they_wait_in_the_quarantine(provmat, kafka, index, registry_url, small_data):
    log, at = kafka(), index()
    setting = ["-X", f"schema.registry.url={registry_url}"]
    provmat("log", "create", "--log", log, "--partitions", "1")
    provmat("emit", "--log", log, *setting, input="\n".join(small_data[1]) + "\n")
    provmat("materialize", "--once", "--log", log, "--index", at)
    rows = provmat.json_rows("--index", at, "quarantine", "list")
    assert len(rows) == len(small_data[1]) and {row["class"] for row in rows} == {"unknown schema"}
    provmat("--index", at, "quarantine", "retry", *setting)
    assert provmat("--index", at, "quarantine", "list", check=(0, 1)).stdout == b""
    assert list(expected.differences(ProgramAnswers(provmat, at), small_data[2], sample_of(small_data[2], 10))) == []
    assert provmat("--index", at, "verify", "--against-log", *setting)


def test_id_that_the_registry_does_not_know(provmat, rawlog, kafka, index, registry_url):
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "1")
    rawlog.append(log, [(b"k", b"\0" + (987654321).to_bytes(4, "big") + b"body")])
    provmat.emit(log, generator.world(1)[:3])
    provmat("materialize", "--once", "--log", log, "--index", at, "-X", f"schema.registry.url={registry_url}")
    row, = provmat.json_rows("--index", at, "quarantine", "list")
    assert row["class"] == "unknown schema" and "987654321" in row["reason"]
    assert provmat.json_rows("--index", at, "stats")[0]["events"] == 3


def test_registry_that_is_away(provmat, rawlog, kafka, index):
    """The record is good, its schema cannot be asked for: nothing is thrown away, materialize says why it stops."""
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "1")
    rawlog.append(log, [(b"k", b"\0\0\0\0\7body")])
    done = provmat("materialize", "--once", "--log", log, "--index", at, "-X", "schema.registry.url=http://127.0.0.1:1/", check=4,
                   timeout=110)
    assert "127.0.0.1:1" in done.err
