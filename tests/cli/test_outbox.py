"""`provmat emit --outbox` and `provmat outbox list|drain`: what waits in files until the log takes it."""

import pytest

from test_reference import digests

AWAY = "local:/dev/null/log" # away at once; a broker is only so after a while


def lines(number, size=0):
    return [f'{{"type":"ResultDeleted","result":"s/{i}","occurred_at":{1_767_600_000_000_000 + i},"reason":"{"x" * size}"}}'
            for i in range(number)]


def emit_to(provmat, box, log, events, **more):
    return provmat("emit", "--outbox", box, "--log", log, input="".join(line + "\n" for line in events), **more)


@pytest.fixture
def waiting(provmat, tmp_path):
    """An outbox with 100 events in one segment: the directory, the file."""
    box = tmp_path / "box"
    emit_to(provmat, box, AWAY, lines(100))
    segment, = box.iterdir()
    return box, segment


def events_of(provmat, log):
    return provmat.json_rows("replay", "--log", log)


def test_a_log_that_answers_has_them_at_once(provmat, local, tmp_path):
    log = local()
    done = emit_to(provmat, tmp_path / "box", log, lines(10) + ["nonsense"], check=6)
    assert "10 events written to the outbox, 1 rejected" in done.err
    assert "10 events of the outbox appended to the log" in done.err
    assert len(events_of(provmat, log)) == 10
    assert list((tmp_path / "box").iterdir()) == []


def test_a_log_that_is_away_has_them_after_a_drain(provmat, local, index, tmp_path, small_data):
    _, events, _ = small_data
    box, log, direct = tmp_path / "deep" / "box", local(), local()
    done = emit_to(provmat, box, AWAY, events)
    assert f"the rest waits in the outbox: provmat outbox drain {box} --log {AWAY}" in done.err
    done = provmat("outbox", "drain", box, "--log", log)
    assert f"{len(events)} events of 1 segment appended" in done.err
    provmat.emit(direct, events)
    made = []
    for source in (log, direct):
        at = index()
        provmat("materialize", "--once", "--log", source, "--index", at)
        made.append(digests(provmat, at))
    assert made[0] == made[1]
    assert "0 events of 0 segments" in provmat("outbox", "drain", box, "--log", log).err


def test_list(provmat, waiting):
    box, segment = waiting
    row, = provmat.json_rows("outbox", "list", box)
    assert row == {"segment": segment.name, "state": "waiting", "pid": row["pid"], "made_at": row["made_at"], "events": 100,
                   "bytes": segment.stat().st_size, "first_at": "2026-01-05T08:00:00.000000Z", "last_at": "2026-01-05T08:00:00.000000Z",
                   "damaged": 0, "cut": 0, "reason": None}
    segment.unlink()
    assert "the outbox is empty" in provmat("outbox", "list", box, check=1).err


def test_what_is_no_outbox(provmat, local, tmp_path):
    for action in ("list", "drain"):
        done = provmat("outbox", action, tmp_path / "none", "--log", local(), check=2)
        assert "there is no outbox" in done.err and str(tmp_path / "none") in done.err
    (tmp_path / "file").write_text("x")
    provmat("outbox", "list", tmp_path / "file", check=2)
    done = emit_to(provmat, "/proc/nothing/box", local(), lines(1), check=2)
    assert "/proc/nothing" in done.err
    done = emit_to(provmat, tmp_path / "box", "ftp://x", lines(1), check=2)
    assert "ftp://x" in done.err


def test_a_log_that_is_away_keeps_them(provmat, waiting):
    box, segment = waiting
    provmat("outbox", "drain", box, "--log", AWAY, check=4)
    provmat("outbox", "drain", box, "--log", "kafka://127.0.0.1:1/provenance", check=4)
    assert segment.exists()


@pytest.mark.parametrize("left", [0, 10, 63, 64, 65, 70, 1000, -1])
def test_a_cut_segment_gives_its_whole_events(provmat, local, waiting, left):
    box, segment = waiting
    content = segment.read_bytes()
    segment.write_bytes(content[:left])
    log = local()
    provmat("log", "create", "--log", log)
    provmat("outbox", "drain", box, "--log", log, check=6 if 0 <= left < 64 else 0)
    got = events_of(provmat, log)
    each = (len(content) - 64) // 100
    assert abs(len(got) - max(0, (left if left >= 0 else len(content) - 1) - 64) // each) <= 1
    assert [event["result"] for event in got] == [f"s/{i}" for i in range(len(got))]


def test_a_damaged_segment_is_kept_and_told(provmat, local, waiting):
    box, segment = waiting
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    segment.write_bytes(content)
    log = local()
    done = provmat("outbox", "drain", box, "--log", log, check=6)
    assert "1 segment was damaged and kept" in done.err
    assert len(events_of(provmat, log)) == 99
    row, = provmat.json_rows("outbox", "list", box)
    assert (row["state"], row["damaged"], row["segment"]) == ("damaged", 1, segment.name.replace(".seg", ".damaged"))
    assert "0 events of 0 segments" in provmat("outbox", "drain", box, "--log", log).err


def test_a_newer_segment_is_refused_by_name(provmat, local, waiting):
    box, segment = waiting
    content = bytearray(segment.read_bytes())
    content[8] = 2
    segment.write_bytes(content)
    done = provmat("outbox", "drain", box, "--log", local(), check=2)
    assert segment.name in done.err and "format 2" in done.err
    assert segment.exists()


def test_many_segments(provmat, local, tmp_path):
    box, log = tmp_path / "box", local()
    emit_to(provmat, box, AWAY, lines(1500, size=8000))
    assert len(list(box.iterdir())) == 3
    assert "1,500 events of 3 segments appended" in provmat("outbox", "drain", box, "--log", log).err
    assert len(events_of(provmat, log)) == 1500


def test_a_registry_frames_what_waited_without_one(provmat, kafka, registry_url, rawlog, waiting):
    box, _ = waiting
    log = kafka()
    provmat("log", "create", "--log", log, "--partitions", "1")
    provmat("outbox", "drain", box, "--log", log, "-X", f"schema.registry.url={registry_url}")
    records = rawlog.dump(log)
    assert len(records) == 100
    assert {value[:1] for *_, value in records} == {b"\0"}


def test_dry_run_writes_nothing(provmat, tmp_path):
    provmat("emit", "--dry-run", "--outbox", tmp_path / "box", input=lines(1)[0] + "\n")
    assert not (tmp_path / "box").exists()
