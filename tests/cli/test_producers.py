"""`provmat stats --producers`: which of the events that workers gave have arrived, and what is said of those that have not."""

import json
import random
import re
import signal
import subprocess

from test_index import digests, wait_until
from test_library import AWAY, drain, job  # noqa: F401 (a fixture)


def materialize(provmat, log, index):
    provmat("materialize", "--once", "--log", log, "--index", index)


def producers(provmat, log, index):
    """Rows of the producers after what the log has is applied, and checked that verify finds nothing, in either way."""
    materialize(provmat, log, index)
    provmat("verify", "--index", index)
    provmat("verify", "--against-log", "--index", index)
    return rows_of(provmat, index)


def rows_of(provmat, index, *more, **how):
    return provmat.json_rows("stats", "--producers", "--index", index, "-f", "ndjson", *more, **how)


def run(provmat, program, log, outbox, n, word):
    return subprocess.run([program, log, outbox, str(n), word], check=True, env={**provmat.environment, "PROVMAT_WORKER": "w7"}, timeout=120)


def facts(row):
    return row["name"], row["events"], row["arrived"], row["missing"], row["closed"]


def copy(rawlog, log, to, keep=lambda number: True, *, again=0, seed=1):
    """The records of a log into another one, shuffled, without those that `keep` does not want, some of them twice."""
    rows = [(key, value, at, origin) for _, _, at, key, value, origin in rawlog.dump_origins(log) if keep(number_of(origin))]
    generator = random.Random(seed)
    rows += generator.sample(rows, again)
    generator.shuffle(rows)
    rawlog.append(to, rows)


def number_of(origin):
    return int(re.match(rb"[0-9a-f]{16}-(\d+)", origin)[1])


# ---- what arrives ----
def test_all_arrive(job, provmat, local, index):  # noqa: F811
    log, at = local(), index()
    run(provmat, job, log, "", 500, "plain")
    row, = producers(provmat, log, at)
    assert facts(row) == ("w7", 500, 500, 0, True)
    assert row["missing_ranges"] == [] and row["summary"] == "all 500 events arrived"
    assert re.fullmatch("[0-9a-f]{16}", row["producer"]) and row["first_at"] <= row["last_at"]
    stats, = provmat.json_rows("stats", "--index", at)
    assert (stats["events"], stats["producers"], stats["producers_with_gaps"], stats["missing_events"]) == (500, 1, 0, 0)
    assert stats["quarantined"] == 0
    assert len(provmat.json_rows("replay", "--log", log)) == 500


def test_each_child_of_a_fork_is_a_producer(job, provmat, local, index):  # noqa: F811
    log, at = local(), index()
    run(provmat, job, log, "", 100, "fork")
    rows = producers(provmat, log, at)
    assert sorted(facts(row)[1:] for row in rows) == [(100, 100, 0, True)] * 4 + [(101, 101, 0, True)]
    assert len({row["producer"] for row in rows}) == 5


def test_events_of_emit_are_not_numbered(provmat, local, index, small_data):
    log, at = local(), index()
    provmat.emit(log, small_data[1])
    materialize(provmat, log, at)
    done = provmat("stats", "--producers", "--index", at, "-f", "json", check=1)
    assert json.loads(done.stdout)["rows"] == []
    assert provmat.json_rows("stats", "--index", at)[0]["producers"] == 0


# ---- what does not ----
def test_exact_numbers_of_what_is_lost(job, provmat, rawlog, local, index):  # noqa: F811
    """Dropped, doubled and shuffled: the same answer as of what arrived, in order, once."""
    log, part, ordered, at, other = local(), local(), local(), index(), index()
    run(provmat, job, log, "", 12044, "plain")
    lost = set(range(5000, 5040)) | {7}
    copy(rawlog, log, part, lambda number: number not in lost, again=300)
    row, = producers(provmat, part, at)
    assert facts(row) == ("w7", 12044, 12003, 41, True)
    assert row["missing_ranges"] == [{"from": 7, "to": 7}, {"from": 5000, "to": 5039}]
    assert row["summary"] == "41 of 12,044 events never arrived: lost, unless an outbox still has them"
    stats, = provmat.json_rows("stats", "--index", at)
    assert (stats["producers"], stats["producers_with_gaps"], stats["missing_events"]) == (1, 1, 41)
    rawlog.append(ordered, [(key, value, when, origin) for _, _, when, key, value, origin in rawlog.dump_origins(log)
                            if number_of(origin) not in lost])
    assert producers(provmat, ordered, other) == [row]
    assert digests(provmat, other) == digests(provmat, at)
    copy(rawlog, log, part, lambda number: number in lost)  # they come late
    row, = producers(provmat, part, at)
    assert facts(row) == ("w7", 12044, 12044, 0, True)
    provmat("rebuild", "--index", at, "--log", part)
    assert rows_of(provmat, at) == [row]


def test_a_lost_end_is_missed(job, provmat, rawlog, local, index):  # noqa: F811
    """The last events are gone, and what says so is in the log: with the last event, or in a record of its own."""
    log, part, at = local(), local(), index()
    run(provmat, job, log, "", 300, "late")
    mark, = [row for row in rawlog.dump_origins(log) if row[4] is None]
    assert re.fullmatch(rb"[0-9a-f]{16}-0/300 w7", mark[5])
    copy(rawlog, log, part, lambda number: number < 290)
    row, = producers(provmat, part, at)
    assert facts(row) == ("w7", 300, 289, 11, True)
    assert row["missing_ranges"] == [{"from": 290, "to": 300}]
    stats, = provmat.json_rows("stats", "--index", at)
    assert (stats["events"], stats["quarantined"]) == (289, 0), "an end mark is no event"
    assert len(provmat.json_rows("replay", "--log", part)) == 289


def test_a_worker_that_was_killed_is_not_closed(job, provmat, local, index):  # noqa: F811
    log, at = local(), index()
    with subprocess.Popen([job, log, "", "-1", "print"], env=provmat.environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= 3000:
                break
        wait_until(lambda: provmat("replay", "--log", log, check=None).stdout)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    row, = producers(provmat, log, at)
    name, events, arrived, missing, closed = facts(row)
    assert re.fullmatch(r".*:\d+", name), "without a worker's name: host and process"
    assert 0 < events == arrived and missing == 0 and not closed
    assert row["summary"] == f"{events:,} events arrived; not closed: what it gave after event {events:,} is not known"


def test_what_cannot_be_applied_has_arrived(provmat, rawlog, local, index):
    log, at = local(), index()
    line = b'{"type":"ResultReused","job_id":"j","occurred_at":5,"result":"a/b","kind":"sim"}'
    rawlog.append(log, [(b"j", line, 7000, b"00000000000000aa-1 w1"), (b"j", b"nonsense", 9000, b"00000000000000aa-2 w1"),
                        (b"j", line, 8000, b"00000000000000aa-3/3 w1"), (b"j", line, 5000, b"not an origin"), (b"j", None, 5000)])
    row, = producers(provmat, log, at)
    assert facts(row) == ("w1", 3, 3, 0, True)
    assert (row["first_at"], row["last_at"]) == ("1970-01-01T00:00:07.000000Z", "1970-01-01T00:00:09.000000Z")
    stats, = provmat.json_rows("stats", "--index", at)
    assert (stats["events"], stats["quarantined"]) == (3, 2)


def test_behind_its_log_and_without_it(provmat, rawlog, local, index, tmp_path):
    log, at = local(), index()
    line = b'{"type":"ResultReused","job_id":"j","occurred_at":5,"result":"a/b","kind":"sim"}'
    rawlog.append(log, [(b"j", line, 7, b"00000000000000aa-1"), (b"j", line, 7, b"00000000000000aa-9")])
    materialize(provmat, log, at)
    assert rows_of(provmat, at)[0]["summary"].startswith("7 of 9 events have not arrived: on their way, in an outbox, or lost; not closed")
    rawlog.append(log, [(b"j", line, 7, b"00000000000000aa-5")])
    assert rows_of(provmat, at)[0]["summary"].startswith("7 of 9 events are not here yet: the index is behind its log; not closed")
    (tmp_path / "log0").rename(tmp_path / "away")
    assert rows_of(provmat, at)[0]["summary"].startswith("7 of 9 events are not here; the log could not be asked for more; not closed")


def test_rows_and_formats(provmat, rawlog, local, index):
    log, at = local(), index()
    line = b'{"type":"ResultReused","job_id":"j","occurred_at":5,"result":"a/b","kind":"sim"}'
    rawlog.append(log, [(b"j", line, 7, b"00000000000000aa-1/1"), (b"j", line, 7, b"00000000000000bb-3/4 b,b"), (b"j", line, 7, b"00000000000000cc-2")])
    materialize(provmat, log, at)
    assert [(row["producer"][-2:], row["missing"]) for row in rows_of(provmat, at)] == [("bb", 3), ("cc", 1), ("aa", 0)], "those with gaps first"
    assert [row["producer"][-2:] for row in rows_of(provmat, at, "--sort", "producer", "--limit", "2")] == ["aa", "bb"]
    csv = provmat("stats", "--producers", "--index", at, "-f", "csv", "--columns", "name,missing,closed", "--limit", "1").stdout.decode()
    assert csv.splitlines() == ["name,missing,closed", '"b,b",3,true']
    document = json.loads(provmat("stats", "--producers", "--index", at, "-f", "json").stdout)
    assert len(document["rows"]) == 3 and document["index"]["complete"] == "yes"
    table = provmat("stats", "--producers", "--index", at, "-f", "table").stdout.decode()
    assert "3 of 4 events never arrived" in table
    done = provmat("stats", "--index", at, "-f", "table")
    assert "4 events of 2 producers are not here" in done.err and "provmat stats --producers" in done.err
    assert provmat("stats", "--index", at, "-f", "table", "--quiet").err == ""


# ---- the outbox ----
def test_an_outbox_keeps_the_numbers(job, provmat, local, index, tmp_path):  # noqa: F811
    for word in ("brief", "always brief"):
        box, log, at = tmp_path / word.replace(" ", "-"), local(), index()
        run(provmat, job, AWAY, box, 3000, word)
        drain(provmat, box, log)
        row, = producers(provmat, log, at)
        assert facts(row) == ("w7", 3000, 3000, 0, True), word


def test_a_lost_segment_of_an_outbox_is_missed(job, provmat, local, index, tmp_path):  # noqa: F811
    """Two segments, one is lost; the event that says the end is in the other."""
    box, log, at = tmp_path / "box", local(), index()
    run(provmat, job, AWAY, box, 60000, "always brief")
    segments = sorted(box.glob("*.seg"))
    assert len(segments) > 1
    segments[0].unlink()
    drain(provmat, box, log)
    row, = producers(provmat, log, at)
    first = row["missing_ranges"]
    assert row["events"] == 60000 and row["closed"] and row["missing"] == first[0]["to"] and first[0]["from"] == 1 and len(first) == 1


# ---- a broker ----
def test_a_topic_whose_head_is_gone(job, provmat, kafka, index, topic):  # noqa: F811
    log, at, late = kafka(), index(), index()
    provmat("log", "create", "--log", log, "--partitions", "1")
    run(provmat, job, log, "", 5000, "plain")
    row, = producers(provmat, log, at)
    assert facts(row) == ("w7", 5000, 5000, 0, True)
    topic("trim", log, 0, 1234)
    row, = producers(provmat, log, late)
    assert facts(row) == ("w7", 5000, 3766, 1234, True)
    assert row["missing_ranges"] == [{"from": 1, "to": 1234}]


def test_a_topic_of_partitions_and_forks(job, provmat, kafka, index):  # noqa: F811
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "3")
    run(provmat, job, log, "", 5000, "fork")
    rows = producers(provmat, log, at)
    assert sorted(facts(row)[1:] for row in rows) == [(5000, 5000, 0, True)] * 4 + [(5001, 5001, 0, True)]


def test_records_of_other_programs_count_by_their_header(provmat, kafka, index):
    """A header of the name is all that it takes."""
    log, at = kafka(), index()
    provmat("log", "create", "--log", log, "--partitions", "1")
    brokers, name = log.removeprefix("kafka://").split("/")
    line = '{"type":"ResultReused","job_id":"j","occurred_at":5,"result":"a/b","kind":"sim"}\n'
    for header in ("provmat=00000000000000aa-1 other", "provmat=00000000000000aa-4/4", "unrelated=1"):
        subprocess.run(["kcat", "-P", "-q", "-b", brokers, "-t", name, "-H", header], input=line.encode(), check=True, timeout=60)
    row, = producers(provmat, log, at)
    assert facts(row) == ("other", 4, 2, 2, True)
    assert row["missing_ranges"] == [{"from": 2, "to": 3}]
