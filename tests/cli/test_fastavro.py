"""The wire format against a foreign implementation of Avro: fastavro reads what provmat writes and provmat reads what fastavro writes."""

import io
import json
import struct
import subprocess
from pathlib import Path

import fastavro
import pytest
from conftest import ROOT, build_tool

SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text()) for path in sorted((ROOT / "schemas").glob("*.avsc"))}
RESULT = "token/v1/sims/4f446dbc7bd0/fa/05/params_c3e04bb3/seed_42"
HEX64 = "4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"

FACTS = {
    "result": RESULT, "kind": "sim", "schema": "token", "schema_version": 1, "bundle_ref": f"repo@sha256:{HEX64}", "model_digest": "sha256:00",
    "entrypoint": "models.seir/baseline", "params": {"beta": 0.5, "n": 1, "x": 1.0, "on": True, "name": "\u00e4\u4e2d", "big": 123456789012345678901234567890},
    "seed": 18446744073709551615, "target": "t:\u00e9", "target_digest": "d", "aggregation_id": "a",
}
MEASURED = {
    "loss": -0.1, "n_replicates": 10, "task_id": "t", "outputs": [{"name": "prevalence", "size": 2**40, "checksum": "c"}, {"name": "s", "size": 0, "checksum": "d"}],
    "inputs": [RESULT, "a/b"], "input_task_ids": ["x", "y"], "replicate_losses": [0.1, 1e300, -0.0], "diagnostics": {"a": [1, {"b": None}]},
    "duration_us": 22543, "env_digest": "e",
}
COMMON = {"job_id": "job-1", "occurred_at": "2026-01-05T09:00:05.519947Z", "worker": "w0"}
EVENTS = [
    {"type": "ResultComputed", **COMMON, **FACTS, **MEASURED},
    {"type": "ResultComputed", "job_id": "j", "occurred_at": 1, "result": "a", "kind": "agg"},
    {"type": "ResultDiscovered", "occurred_at": "1969-12-31T23:59:59.999999Z", **FACTS, **MEASURED},
    {"type": "ResultReused", **COMMON, **FACTS, "source": "scheduler", "stored_at": "2026-01-04T00:00:00Z", "loss": 5e-324, "n_replicates": 1, "outputs": []},
    {"type": "ResultFailed", **COMMON, **FACTS, "error": {"type": "ValueError", "message": "seed \u2026", "retryable": True}},
    {"type": "ResultsExpected", **COMMON, "results": [f"a/{i}" for i in range(1000)]},
    {"type": "ResultDeleted", "occurred_at": 0, "result": "a/b", "reason": "gone"},
    {"type": "ResultDeleted", **COMMON, "result": "a/b"},
    {"type": "JobSubmitted", **COMMON, "job_type": "simulation", "bundle_ref": f"sha256:{HEX64}", "entrypoint": "e", "targets": ["t", "u"], "parents": ["p"],
     "definition_hash": "d", "input_hash": "i", "inputs": {"parameter_sets": 100}, "provider_id": "p", "provider_model": "m", "user": "u", "rerun_of": "job-0",
     "metadata": {"n": [1, 2.50, "x"]}},
    *({"type": "JobStatusChanged", **COMMON, "status": status, "error": "ContractViolationError: x", "duration_us": 7}
      for status in ("pending", "running", "succeeded", "partial", "failed", "cancelled")),
]


@pytest.fixture(scope="session")
def recode(tmp_path_factory):
    tool = build_tool("recode", tmp_path_factory.mktemp("recode"))

    def run(*arguments, lines=()):
        text = "".join(line + "\n" for line in lines)
        done = subprocess.run([tool, *map(str, arguments)], input=text.encode(), capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    return run


@pytest.fixture(scope="session")
def fingerprints(recode):
    return dict(line.split() for line in recode("schemas"))


def parsed(name):
    """The schema without logical types, so that fastavro gives integers; the bytes are the same."""
    text = json.dumps(SCHEMAS[name]).replace('"logicalType": "timestamp-micros"', '"x": 0')
    return fastavro.parse_schema(json.loads(text), named_schemas={})


def read(name, value):
    stream = io.BytesIO(value[10:])
    record = fastavro.schemaless_reader(stream, parsed(name))
    assert stream.read() == b"", "fastavro leaves bytes over"
    return record


def frame(fingerprint, record, schema):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return b"\xc3\x01" + struct.pack("<Q", int(fingerprint, 16)) + stream.getvalue()


def test_fingerprints_are_those_of_fastavro(fingerprints):
    assert sorted(fingerprints) == sorted(SCHEMAS)
    for name, schema in SCHEMAS.items():
        theirs = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO")  # its bytes as they go on the wire
        assert struct.pack("<Q", int(fingerprints[name], 16)).hex() == theirs, name


def test_canonical_forms_are_those_of_fastavro(recode):
    schemas = [*SCHEMAS.values(), "int", {"type": "long", "doc": "x"}, ["null", {"type": "map", "values": {"type": "array", "items": "bytes"}}],
               {"type": "record", "name": "R", "namespace": "a.b", "aliases": ["S"], "fields": [
                   {"name": "f", "doc": "d", "type": {"type": "fixed", "size": 16, "name": "F", "namespace": "c"}, "default": "x"},
                   {"name": "next", "type": ["null", "R"], "order": "ignore"}, {"name": "g", "type": "c.F"},
                   {"name": "h", "type": {"type": "enum", "name": "c.d.E", "symbols": ["A", "B"], "default": "A"}}]}]
    lines = recode("canonical", lines=[json.dumps(schema) for schema in schemas])
    for schema, line in zip(schemas, lines, strict=True):
        form, _, fingerprint = line.rpartition(" ")
        theirs = fastavro.schema.to_parsing_canonical_form(fastavro.parse_schema(schema, named_schemas={}))
        assert form == theirs
        assert struct.pack("<Q", int(fingerprint, 16)).hex() == fastavro.schema.fingerprint(theirs, "CRC-64-AVRO")


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_both_ways(recode, fingerprints, number):
    event = EVENTS[number]
    name = event["type"]
    (line,) = recode("encode", lines=[json.dumps(event)])
    value = bytes.fromhex(line)
    assert value[:10] == b"\xc3\x01" + struct.pack("<Q", int(fingerprints[name], 16))
    record = read(name, value)
    compare(event, record)
    assert frame(fingerprints[name], record, parsed(name)) == value, "fastavro writes other bytes"
    (back,) = recode("decode", lines=[value.hex()])
    (again,) = recode("encode", lines=[back])
    assert again == line


def compare(event, record):
    """What the line said is what fastavro reads."""
    assert len(record["event_id"]) == 32
    for key, value in event.items():
        if key in ("type", "occurred_at", "stored_at"):
            continue
        found = record[key]
        if key == "params":
            assert found == '{"beta":0.5,"big":123456789012345678901234567890,"n":1,"name":"\u00e4\u4e2d","on":true,"x":1.0}'
        elif key in ("diagnostics", "metadata") or (key == "inputs" and event["type"] == "JobSubmitted"):
            assert json.loads(found) == value
        elif key == "seed":
            assert found & (2**64 - 1) == value
        elif isinstance(value, float):
            assert struct.pack("<d", found) == struct.pack("<d", value)
        else:
            assert found == value, key
    derived = {"event_id", "occurred_at", "stored_at", "bundle_digest", "param_id"}
    assert all(found is None or key in event or key in derived for key, found in record.items())


def test_times_are_microseconds(recode):
    for time, expected in (("2026-01-05T09:00:05.519947Z", 1767603605519947), ("1969-12-31T23:59:59.999999Z", -1), (0, 0)):
        (line,) = recode("encode", lines=[json.dumps({"type": "ResultDeleted", "result": "a", "occurred_at": time})])
        assert read("ResultDeleted", bytes.fromhex(line))["occurred_at"] == expected


def test_arrays_in_several_blocks(recode, fingerprints):
    """Other writers may split arrays, with or without the blocks' sizes."""
    record = {"event_id": "0" * 32, "job_id": "j", "occurred_at": 0, "worker": None, "results": ["a", "b", "c"]}
    value = frame(fingerprints["ResultsExpected"], record, parsed("ResultsExpected"))
    whole = b"\x06\x02a\x02b\x02c\x00"
    assert value.endswith(whole)
    head = value[: -len(whole)]
    for blocks in (b"\x02\x02a\x04\x02b\x02c\x00", b"\x05\x0c\x02a\x02b\x02c\x00", b"\x01\x04\x02a\x04\x02b\x02c\x00"):
        (line,) = recode("decode", lines=[(head + blocks).hex()])
        assert json.loads(line)["results"] == ["a", "b", "c"], line if line.startswith("error") else ""


def test_another_writers_schema(recode, tmp_path):
    """A later version of a type: a field more, one fewer, another order, narrower numbers. Its schema comes from a directory."""
    schema = fastavro.parse_schema({
        "type": "record", "name": "ResultComputed", "namespace": "org.example", "fields": [
            {"name": "seed", "type": "int"}, {"name": "result", "type": "string"}, {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["agg", "sim"]}},
            {"name": "labels", "type": {"type": "map", "values": "string"}}, {"name": "loss", "type": ["float", "null"]}, {"name": "job_id", "type": "string"},
            {"name": "event_id", "type": "string"}, {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}, named_schemas={})
    Path(tmp_path, "later.avsc").write_text(json.dumps({key: value for key, value in schema.items() if not key.startswith("__")}))
    form = fastavro.schema.to_parsing_canonical_form(schema)
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(form, "CRC-64-AVRO"))[::-1].hex()
    record = {"seed": 42, "result": "a/b", "kind": "sim", "labels": {"x": "y"}, "loss": 0.5, "job_id": "j", "event_id": "f" * 32, "occurred_at": 7}
    value = frame(fingerprint, record, schema).hex()
    (refused,) = recode("decode", lines=[value])
    assert refused.startswith(f"error: schema fingerprint {fingerprint} is unknown")
    (line,) = recode("decode", tmp_path, lines=[value])
    found = json.loads(line)
    assert {key: found[key] for key in ("type", "seed", "result", "kind", "loss", "job_id", "event_id")} == {
        "type": "ResultComputed", "seed": 42, "result": "a/b", "kind": "sim", "loss": 0.5, "job_id": "j", "event_id": "f" * 32}
