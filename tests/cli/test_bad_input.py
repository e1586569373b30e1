"""Bad input: what is refused, with which words and which exit code, at both doors: `emit` and the log itself."""

import json
import struct

import pytest

from conftest import ROOT
from reference import avro, events, generator
from reference.program import ProgramAnswers

GOOD = {"type": "ResultComputed", "job_id": "good", "occurred_at": "2026-01-05T09:00:00Z", "result": "good/1", "kind": "sim"}
SUBMITTED = {"type": "JobSubmitted", "job_id": "good", "occurred_at": "2026-01-05T09:00:00Z"}
ID_OF_X1 = events.param_id({"x": 1})


def changed(base=None, **fields):
    """GOOD with other fields; the value ... takes one out."""
    event = {**(base or GOOD), **fields}
    return json.dumps({key: value for key, value in event.items() if value is not ...}, ensure_ascii=False).encode()


def with_text(key, text, base=None):
    """GOOD with a field whose JSON text is given as it is."""
    data = json.dumps({**(base or GOOD), key: "@@@"}, ensure_ascii=False).encode()
    return data.replace(b'"@@@"', text if isinstance(text, bytes) else text.encode())


BAD = {
    # not JSON, not one object
    "not JSON": (b"nonsense", ["not JSON", "byte offset 0", "nonsense"]),
    "cut object": (b'{"type":"ResultComputed"', ["not JSON", "byte offset 24", "found the end"]),
    "an array": (b"[1]", ["object"]),
    "a text": (b'"text"', ["object"]),
    "trailing text": (changed() + b" x", ["not JSON", "expected the end", "found 'x'"]),
    "two objects": (changed() + changed(), ["not JSON", "expected the end"]),
    "trailing comma": (changed()[:-1] + b",}", ["not JSON", "expected a key"]),
    "comment": (b"/* c */" + changed(), ["not JSON", "expected an object"]),
    "duplicate key": (changed()[:-1] + b',"kind":"agg"}', ["kind", "duplicate|twice"]),
    "duplicate key, escaped": (changed()[:-1] + b',"k\\u0069nd":"agg"}', ["kind", "duplicate|twice"]),
    "duplicate key in params": (with_text("params", '{"x":1,"x":2}'), ["x", "duplicate|twice"]),
    "single quotes": (b"{'type':'ResultComputed'}", ["not JSON", "double quotes"]),
    # type and fields
    "no type": (changed(type=...), ['missing field "type"']),
    "unknown type": (changed(type="ResultComputd"), ['unknown type "ResultComputd"', 'did you mean "ResultComputed"']),
    "type not a text": (changed(type=1), ["type"]),
    "unknown field": (changed(los=1.5), ['unknown field "los"', 'did you mean "loss"']),
    "field of another type": (changed(SUBMITTED, loss=1.5), ["loss", "JobSubmitted"]),
    "job_id of a discovery": (changed(type="ResultDiscovered"), ["job_id", "ResultDiscovered"]),
    "no job_id": (changed(job_id=...), ['missing field "job_id" of ResultComputed']),
    "null job_id": (changed(job_id=None), ["job_id"]),
    "no result": (changed(result=...), ['missing field "result" of ResultComputed']),
    "no kind": (changed(kind=...), ['missing field "kind" of ResultComputed']),
    "unknown kind": (changed(kind="simx"), ["kind", "simx"]),
    "no status": (changed(SUBMITTED, type="JobStatusChanged"), ['missing field "status" of JobStatusChanged']),
    "unknown status": (changed(SUBMITTED, type="JobStatusChanged", status="done"), ["status", "done"]),
    "unknown source": (changed(type="ResultReused", source="cloud"), ["source", "cloud"]),
    "failure without error": (changed(type="ResultFailed"), ['missing field "error" of ResultFailed']),
    "error without message": (changed(type="ResultFailed", error={"type": "E", "retryable": False}), ["message"]),
    "no expected paths": (changed(SUBMITTED, type="ResultsExpected", results=[]), ["results"]),
    "text for a number": (changed(loss="1.5"), ["loss"]),
    "number for a text": (changed(result=5), ["result"]),
    "fraction for an integer": (with_text("schema_version", "1.5"), ["schema_version"]),
    # numbers
    "NaN loss": (with_text("loss", "NaN"), ["loss must be a finite number", "NaN"]),
    "infinite loss": (with_text("loss", "-Infinity"), ["loss must be a finite number", "-Infinity"]),
    "inf loss": (with_text("loss", "inf"), ["loss must be a finite number", "inf"]),
    "NaN loss as text": (changed(loss="NaN"), ["loss must be a finite number", '"NaN"']),
    "NaN in params": (with_text("params", '{"x":NaN}'), ['"x"', "NaN"]),
    "loss 1e999": (with_text("loss", "1e999"), ["loss must be a finite number", "1e999"]),
    "1e999 in params": (with_text("params", '{"x":1e999}'), ["x", "1e999"]),
    "1e999 in replicate_losses": (with_text("replicate_losses", "[1,1e999]"), ["replicate_losses", "1e999"]),
    "leading zero": (with_text("loss", "01"), ["not JSON", "expected a number", "01"]),
    "seed -1": (changed(seed=-1), ["seed", "-1", "18446744073709551615"]),
    "seed 2^64": (changed(seed=2 ** 64), ["seed", "18446744073709551616", "18446744073709551615"]),
    "seed 2^64 as text": (changed(seed=str(2 ** 64)), ["seed", "18446744073709551616", "18446744073709551615"]),
    "seed with a fraction": (with_text("seed", "1.0"), ["seed"]),
    "seed that is no number": (changed(seed="four"), ["seed", "four"]),
    "n_replicates 0": (changed(n_replicates=0), ["n_replicates", "0"]),
    # identities
    "params and param_id": (changed(params={"x": 2}, param_id=ID_OF_X1), ["does not agree with params", ID_OF_X1, events.param_id({"x": 2})]),
    "nested params": (changed(params={"x": {"y": 1}}), ["param", '"x"']),
    "array in params": (changed(params={"x": [1]}), ["param", '"x"']),
    "null in params": (changed(params={"x": None}), ["param", '"x"']),
    "params not an object": (changed(params="x=1"), ["params"]),
    "digest in capitals": (changed(bundle_digest="A" * 64), ["bundle_digest", "A" * 10]),
    "digest too short": (changed(bundle_digest="a" * 63), ["bundle_digest", "64"]),
    "bundle_ref without digest": (changed(bundle_ref="repo:latest"), ["bundle_ref", "repo:latest"]),
    "bundle_ref and bundle_digest": (changed(bundle_ref="sha256:" + "a" * 64, bundle_digest="b" * 64), ["bundle_digest", "bundle_ref"]),
    "event_id in capitals": (changed(event_id="A" * 32), ["event_id"]),
    "event_id too short": (changed(event_id="a" * 31), ["event_id", "32"]),
    # paths
    "path with ..": (changed(result="a/../b"), ['"a/../b"', 'no segment ".."']),
    "path with .": (changed(result="a/./b"), ["result", "a/./b"]),
    "path with NUL": (with_text("result", '"a\\u0000b"'), ["result", "NUL at its byte 1"]),
    "path ending in /": (changed(result="a/b/"), ['"a/b/"', "does not end with '/'"]),
    "path beginning with /": (changed(result="/a/b"), ["result", "/a/b"]),
    "path with an empty segment": (changed(result="a//b"), ["result", "a//b"]),
    "empty path": (changed(result=""), ["result"]),
    "path of 1,025 bytes": (changed(result="p" * 1025), ["result: path of 1025 bytes", "above the limit of 1024"]),
    "path of 1,025 bytes in 513 characters": (changed(result="p" + "é" * 512), ["result: path of 1025 bytes", "above the limit of 1024"]),
    "bad path among the expected": (changed(SUBMITTED, type="ResultsExpected", results=["a", "b/.."]), ["results", "b/.."]),
    "bad path among the inputs": (changed(inputs=["a", "/b"]), ["inputs", "/b"]),
    # limits
    "job id of 257 bytes": (changed(job_id="j" * 257), ["job_id", "257", "256"]),
    "empty job id": (changed(job_id=""), ["job_id"]),
    "params of 64 KiB + 1": (changed(params={"x": "v" * (65536 - 7)}), ["params", "65536|65,536|64 KiB"]),
    "diagnostics of 64 KiB + 1": (changed(diagnostics={"x": "v" * (65536 - 7)}), ["diagnostics", "65536|65,536|64 KiB"]),
    "1,025 outputs": (changed(outputs=[{"name": f"o{i}", "size": 1, "checksum": "c"} for i in range(1025)]),
                      ["outputs", "1025|1,025", "1024|1,024"]),
    "10,001 inputs": (changed(inputs=[f"i{i}" for i in range(10001)]), ["inputs", "10001|10,001", "10000|10,000"]),
    "1,001 expected paths": (changed(SUBMITTED, type="ResultsExpected", results=[f"r{i}" for i in range(1001)]),
                             ["results", "1001|1,001", "1000|1,000"]),
    "event of 1 MiB + 1": (with_text("metadata", '{"x":"' + "v" * (1048577 - len(with_text("metadata", '{"x":""}', SUBMITTED))) + '"}',
                                     SUBMITTED),
                           ["longer than the limit of 1048576 bytes|at most 1048576"]),
    # text
    "bad UTF-8": (with_text("job_id", b'"a\xffb"'), ["not UTF-8 at byte offset"]),
    "overlong UTF-8": (with_text("job_id", b'"a\xc0\xafb"'), ["not UTF-8 at byte offset"]),
    "surrogate in UTF-8": (with_text("job_id", b'"\xed\xa0\x80"'), ["not UTF-8 at byte offset"]),
    "cut UTF-8": (with_text("job_id", b'"a\xe2\x82"'), ["not UTF-8 at byte offset"]),
    "lone surrogate escape": (with_text("job_id", '"\\ud800x"'), ["lone surrogate"]),
    "raw control character": (with_text("job_id", b'"a\x01b"'), ["control character"]),
    # times
    "time without offset": (changed(occurred_at="2026-01-05T09:00:00"), ["occurred_at", "2026-01-05T09:00:00", "offset"]),
    "no such day": (changed(occurred_at="2026-02-30T09:00:00Z"), ["occurred_at", "2026-02-30"]),
    "no such hour": (changed(occurred_at="2026-01-05T25:00:00Z"), ["occurred_at"]),
    "date alone": (changed(occurred_at="2026-01-05"), ["occurred_at"]),
    "time with a fraction of a microsecond count": (with_text("occurred_at", "1.5"), ["occurred_at"]),
}
assert len(BAD["event of 1 MiB + 1"][0]) == 1048577


def assert_says(text, words):
    """Each word, or one of several separated by |, stands in the text."""
    for word in words:
        assert any(choice.lower() in text.lower() for choice in word.split("|")), f"{word!r} is not in: {text[:600]}"


@pytest.mark.parametrize("name", BAD)
def test_emit_refuses(name, provmat, local, tmp_path):
    line, words = BAD[name]
    log, file = local(), tmp_path / "home" / "bad.ndjson"
    file.write_bytes(changed() + b"\n" + line + b"\n" + changed(result="good/2") + b"\n")
    dry = provmat("emit", "--dry-run", "--log", log, "bad.ndjson", check=6)
    assert not (tmp_path / "log0").exists(), "a dry run made the log"
    done = provmat("emit", "--log", log, "bad.ndjson", check=6)
    for err in (dry.err, done.err):
        reasons = [text for text in err.splitlines() if text.startswith("bad.ndjson:")]
        assert len(reasons) == 1 and reasons[0].startswith("bad.ndjson:2: "), err[:2000]
        assert_says(reasons[0], words)
        assert len(reasons[0]) < 2000
    assert_says(done.err.splitlines()[-1], ["2", "1", "reject"])
    assert [e["result"] for e in provmat.json_rows("replay", "--log", log)] == ["good/1", "good/2"]


def test_emit_from_stdin_names_the_line(provmat, local):
    done = provmat("emit", "--log", local(), input=changed() + b"\nnonsense\n", check=6)
    assert ":2: " in done.err


def test_emit_of_good_lines_alone(provmat, local):
    done = provmat("emit", "--log", local(), input=changed() + b"\n" + changed(result="good/2"))
    assert done.stdout == b"" and "2" in done.err.splitlines()[-1]


def test_emit_of_a_file_that_does_not_exist(provmat, local):
    done = provmat("emit", "--log", local(), "nowhere.ndjson", check=None)
    assert done.returncode not in (0, 6) and "nowhere.ndjson" in done.err


def test_limits_are_reachable(provmat, local):
    """What stands exactly at a limit is taken."""
    at_limit = [
        changed(result="p" * 1024), changed(job_id="j" * 256), changed(params={"x": "v" * (65536 - 8)}),
        changed(diagnostics={"x": "v" * (65536 - 9)}), changed(seed=2 ** 64 - 1),
        changed(outputs=[{"name": f"o{i}", "size": 1, "checksum": "c"} for i in range(1024)]),
                changed(inputs=[f"i{i}" for i in range(10000)]),
        changed(SUBMITTED, type="ResultsExpected", results=[f"r{i}" for i in range(1000)]),
                BAD["event of 1 MiB + 1"][0].replace(b'"vv', b'"v'),
    ]
    provmat("emit", "--log", local(), input=b"\n".join(at_limit) + b"\n")


def test_null_optional_field_is_an_absent_one(provmat, local):
    log = local()
    provmat("emit", "--log", log, input=changed(loss=None, params=None, seed=None, outputs=None) + b"\n" + changed() + b"\n")
    one, other = provmat.json_rows("replay", "--log", log)
    assert one["event_id"] == other["event_id"] and one.get("loss") is None


# ---- the log's own door ----
FULL = {"type": "ResultComputed", "event_id": "0" * 32, "job_id": "good", "occurred_at": 1_767_600_000_000_000, "result": "wire/1",
        "kind": "sim",
        "params": {"x": 1}, "param_id": ID_OF_X1, "seed": 2 ** 64 - 1, "loss": 1.5, "outputs": [{"name": "o", "size": 7, "checksum": "c"}],
        "inputs": ["i/1"], "replicate_losses": [1.0], "target": "t"}


@pytest.fixture
def codec():
    return avro.Codec(ROOT / "schemas")


def wire(codec, **fields):
    event = {**FULL, **fields}
    return codec.single_object(event["type"], avro.event_to_record(event))


def quarantined(provmat, rawlog, log, index, values):
    """Puts the values on a log between two good records, materializes, and gives the quarantine's rows, which must be one a value."""
    good = [changed(), changed(result="good/2")]
    rawlog.append(log, [(b"k", value) for value in (good[0], *values, good[1])])
    provmat("materialize", "--once", "--log", log, "--index", index)
    assert [row["result"] for row in ProgramAnswers(provmat, index).results_of_job("good")] == ["good/1", "good/2"]
    rows = provmat.json_rows("--index", index, "quarantine", "list")
    assert [(row["partition"], row["offset"]) for row in rows] == [(0, n + 1) for n in range(len(values))]
    stats = provmat.json_rows("--index", index, "stats")[0]
    assert stats["quarantined"] == len(values) and stats["events"] == 2
    assert stats["partitions"][0]["lag"] == 0
    return rows


def test_refused_lines_as_records(provmat, rawlog, local, index):
    """JSON that emit would refuse goes to the quarantine with the same reason."""
    rows = quarantined(provmat, rawlog, local(), index(), [line for line, _ in BAD.values()])
    for name, row in zip(BAD, rows):
        assert row["class"] in ("malformed bytes", "invalid event", "above a limit"), (name, row)
        if BAD[name][0].startswith(b"{"):
            assert_says(row["reason"], BAD[name][1])


def test_record_cut_at_every_byte(provmat, rawlog, local, index, codec):
    value = wire(codec)
    assert codec.read(value)[1]["loss"] == 1.5
    rows = quarantined(provmat, rawlog, local(), index(), [value[:n] for n in range(len(value))])
    assert {row["class"] for row in rows} == {"malformed bytes"}
    assert rows[0]["reason"] == "the value is empty"
    for size, row in enumerate(rows[1:10], 1):
        assert_says(row["reason"], [f"value of {size} bytes", "cut inside c301"])
    for size, row in enumerate(rows[10:]):
        assert_says(row["reason"], ["ResultComputed: field", f" of {size}: ", "cut|left"])


def test_null_value(provmat, rawlog, local, index):
    log = local()
    provmat("log", "create", "--log", log)
    rows = quarantined(provmat, rawlog, log, index(), [None, b""])
    assert [(row["class"], row["reason"]) for row in rows] == [("malformed bytes", "the value is null (a tombstone)"),
                                                               ("malformed bytes", "the value is empty")]


def huge_lengths(codec):
    """Records whose length or count fields promise more than there is, each with the number that its reason must name."""
    head = wire(codec)[:10]
    start = avro.text("0" * 32) + avro.text("good") + avro.zigzag(FULL["occurred_at"]) + b"\0"
    for number in (2 ** 62, 2 ** 63 - 1, -1, -(2 ** 63), 2 ** 31, 2 ** 32, 100):
        yield head + avro.zigzag(number) + b"x" * 40, f"length {number} "
        yield head + start + avro.zigzag(number) + b"x" * 40, f"length {number} "
    expected = codec.single_object("ResultsExpected", {"event_id": "0" * 32, "job_id": "good", "occurred_at": 1, "results": ["a"]})
    before = expected[:-len(avro.zigzag(1) + avro.text("a") + b"\0")]
    for count in (2 ** 62, -(2 ** 62), -(2 ** 63), 2 ** 31, 1000, -1000, 1002):
        yield before + avro.zigzag(count) + avro.text("a") + b"\0", "results"
        yield before + avro.zigzag(count) + avro.zigzag(2 ** 62) + avro.text("a") + b"\0", "results"
    yield head + b"\xff" * 11 + b"x", "longer than 10 bytes"  # a varint without end
    yield head + b"\x80" * 9 + b"\x7f" + b"x" * 40, "longer than 10 bytes"  # and one of more than 64 bits


def test_length_fields_that_lie(provmat, rawlog, local, index, codec):
    cases = list(huge_lengths(codec))
    rows = quarantined(provmat, rawlog, local(), index(), [value for value, _ in cases])
    assert {row["class"] for row in rows} == {"malformed bytes"}, rows
    for (_, words), row in zip(cases, rows):
        assert_says(row["reason"], ["field", words])


def test_record_with_bytes_left_over(provmat, rawlog, local, index, codec):
    rows = quarantined(provmat, rawlog, local(), index(), [wire(codec) + b"\0", wire(codec) + wire(codec)])
    for row in rows:
        assert row["class"] == "malformed bytes" and "left over" in row["reason"], row


def test_unknown_fingerprint_and_registry_id(provmat, rawlog, local, index, codec):
    fingerprint = b"\xc3\x01" + struct.pack("<Q", 0x1122334455667788) + wire(codec)[10:]
    registry = b"\0" + struct.pack(">I", 99) + wire(codec)[10:]
    rows = quarantined(provmat, rawlog, local(), index(), [fingerprint, registry, b"\0\0\0", b"\xc3", b"\xc3\x02" + b"x" * 30])
    assert [row["class"] for row in rows] == ["unknown schema", "unknown schema", "malformed bytes", "malformed bytes",
                                              "malformed bytes"], rows
    assert_says(rows[0]["reason"], ["fingerprint 1122334455667788 is unknown", "provmat.schemas", "provmat quarantine retry"])
    assert_says(rows[1]["reason"], ["schema id 99", "schema.registry.url", "provmat quarantine retry"])
    assert_says(rows[2]["reason"], ["000000", "cut"])
    assert_says(rows[4]["reason"], ["c302", "begins like none of"])


def test_records_that_break_a_rule(provmat, rawlog, local, index, codec):
    """Well-formed Avro that says what no event may say."""
    enum_at = wire(codec).index(b"wire/1") + 6
    bad_enum = wire(codec)
    bad_enum = bad_enum[:enum_at] + avro.zigzag(5) + bad_enum[enum_at + 1:]
    cases = {
        "loss": wire(codec, loss=float("nan")), "result": wire(codec, result="a/../b"), "param_id": wire(codec, params={"x": 2}),
        "event_id": wire(codec, event_id="Z" * 32), "job_id": wire(codec, job_id=""), "n_replicates": wire(codec, n_replicates=0),
        "replicate_losses": wire(codec, replicate_losses=[float("inf")]), "bundle_digest": wire(codec, bundle_digest="abc"),
        "inputs": wire(codec, inputs=["/a"]), "kind": bad_enum,
    }
    rows = quarantined(provmat, rawlog, local(), index(), list(cases.values()))
    for (field, _), row in zip(cases.items(), rows):
        assert row["class"] in ("invalid event", "malformed bytes") and field in row["reason"], (field, row)


def test_params_that_are_not_canonical(provmat, rawlog, local, index, codec):
    """The text of params is what param_id hashes; any other spelling of the same object is refused."""
    record = avro.event_to_record(FULL)
    texts = ['{"x": 1}', '{"x":1', "[]", '{"x":01}', '{"y":1,"x":1}', '{"x":1.50}', '{"x":1,"x":1}', '{"x":{}}', ""]
    values = []
    for text in texts:
        values.append(codec.single_object("ResultComputed", {**record, "params": text, "param_id": None}))
    rows = quarantined(provmat, rawlog, local(), index(), values)
    assert all("params" in row["reason"] for row in rows), rows


def test_quarantine_shows_the_bytes_and_retry_keeps_what_is_bad(provmat, rawlog, local, index, codec):
    log, at = local(), index()
    value = wire(codec)[:25]
    rows = quarantined(provmat, rawlog, log, at, [value, b"rubbish"])
    assert rows[1]["bytes"] in (7, b"rubbish".hex()), rows[1]
    shown = provmat("--index", at, "quarantine", "show", "0:1").stdout.decode()
    assert value.hex() in shown.replace(" ", "").lower() or json.dumps(value.decode("latin-1")) in shown, shown
    assert provmat("--index", at, "quarantine", "show", "0:77", check=1).err
    provmat("--index", at, "--log", log, "quarantine", "retry", check=None)
    assert [row["offset"] for row in provmat.json_rows("--index", at, "quarantine", "list")] == [1, 2]


def test_replay_goes_on_after_a_bad_record(provmat, rawlog, local):
    log = local()
    rawlog.append(log, [(b"k", changed()), (b"k", b"rubbish"), (b"k", changed(result="good/2"))])
    done = provmat("replay", "--log", log, check=(0, 6))
    assert [json.loads(line)["result"] for line in done.stdout.decode().splitlines()] == ["good/1", "good/2"]
    assert_says(done.err, ["0:1|partition 0 offset 1|partition 0, offset 1"])


def test_random_damage_never_stops_the_others(provmat, rawlog, local, index, codec):
    """Records of a world with bytes changed, cut and put in: the program goes on, and what is whole is applied."""
    import random
    rng = random.Random(7)
    world = events.read(json.dumps(e, ensure_ascii=False) for seed in (1, 2, 4) for e in generator.world(seed))
    values = []
    for event in world:
        value = bytearray(codec.single_object(event["type"], avro.event_to_record(event)))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(value))
            how = rng.randrange(3)
            if how == 0:
                value[at] = rng.randrange(256)
            elif how == 1:
                del value[at:at + rng.randint(1, 9)]
            else:
                value[at:at] = rng.randbytes(rng.randint(1, 9))
            if not value:
                value = bytearray(b"x")
        values.append(bytes(value))
    log, at = local(), index()
    rawlog.append(log, [(b"k", changed())] + [(b"k", value) for value in values] + [(b"k", changed(result="good/2"))])
    provmat("materialize", "--once", "--log", log, "--index", at)
    stats = provmat.json_rows("--index", at, "stats")[0]
    assert stats["events"] + stats["quarantined"] == len(values) + 2 and stats["quarantined"] > len(values) // 3
    assert {"good/1", "good/2"} <= {row["result"] for row in ProgramAnswers(provmat, at).results_of_job("good")}
    provmat("--index", at, "verify", "--against-log", "--log", log)


# ---- names and flags ----
@pytest.fixture
def worldly(provmat, local, index):
    """An index with jobs job-1, job-10, job-2 and results token/a, token/ab."""
    log, at = local(), index()
    lines = [changed(job_id=job, result=path) for job in ("job-1", "job-10", "job-2") for path in ("token/a", "token/ab", "other")]
    provmat("emit", "--log", log, input=b"\n".join(lines))
    provmat("materialize", "--once", "--log", log, "--index", at)
    return at


def test_whole_name_and_unique_prefix(provmat, worldly):
    def one(*arguments):
        return json.loads(provmat("--index", worldly, "query", *arguments).stdout)

    assert one("job", "job-1")["job_id"] == "job-1"
    assert one("job", "job-2")["job_id"] == "job-2"
    assert one("job", "job-10")["job_id"] == "job-10"
    assert one("result", "token/a")["result"] == "token/a"
    assert one("result", "oth")["result"] == "other"


def test_ambiguous_prefix(provmat, worldly):
    for arguments, candidates in ((["job", "job-"], ["job-1", "job-10", "job-2"]), (["results", "--job", "job-"], ["job-10", "job-2"]),
                                  (["result", "token/"], ["token/a", "token/ab"]),
                                  (["jobs", "--result", "token"], ["token/a", "token/ab"])):
        done = provmat("--index", worldly, "query", *arguments, check=2)
        assert done.stdout == b""
        assert_says(done.err, [f'"{arguments[-1]}" is ambiguous', *candidates])


def test_unknown_names(provmat, worldly):
    for arguments, kind in ((["job", "nobody"], "job"), (["results", "--job", "nobody"], "job"), (["result", "no/where"], "result"),
                            (["jobs", "--result", "no/where"], "result")):
        done = provmat("--index", worldly, "query", *arguments, check=1)
        assert done.stdout == b""
        assert_says(done.err, [f'no {kind} "{arguments[-1]}" in the index'])


@pytest.mark.parametrize("arguments,words", [
    (["query", "results", "--jb", "x"], ["--jb", "--job"]), (["querry", "jobs"], ["querry", "query"]), (["query", "job"], ["JOB"]),
    (["query", "rezults"], ["rezults", "results"]), (["emit", "--dryrun"], ["--dryrun", "--dry-run"]),
                                             (["query", "jobs", "--format", "xml"], ["xml", "ndjson"]),
    (["query", "results", "--role", "used"], ["used", "reused"]), (["query", "jobs", "--status", "done"], ["done", "succeeded"]),
    (["query", "conflicts", "--class", "hit"], ["hit", "false_hit"]), (["query", "jobs", "--since", "yesterday"], ["yesterday"]),
    (["query", "jobs", "--bundle", "abc"], ["abc", "6"]), (["query", "jobs", "--at-least", "zero"], ["zero"]),
                                             (["query", "jobs", "--max-lag", "-1"], ["-1"]),
    (["query", "jobs", "--limit", "many"], ["many"]), (["query", "jobs", "--columns", "job_id,nothing"], ["nothing", "job_id"]),
    (["query", "jobs", "--sort", "nothing"], ["nothing"]), (["query", "results", "--param", "beta"], ["beta", "NAME=VALUE"]),
    (["materialize", "--once", "--log", "ftp://x/y"], ["ftp://x/y", "kafka://"]), (["rebuild", "--view", "nothing"], ["nothing"]),
    (["rebuild", "--until", "later"], ["later"]), (["log", "create", "--partitions", "0"], ["0"]), (["replay", "--from", "x"], ["x"]),
])
def test_usage(arguments, words, provmat, worldly):
    done = provmat("--index", worldly, *arguments, check=2)
    assert done.stdout == b""
    assert_says(done.err, words)
