"""A log that is not as it was left: recreated, truncated, trimmed, deleted, widened, forgetful. The partition stops with the range and the
ways out, the others go on, and every answer says that it is not complete (I6)."""

import json
import shutil
import signal
import time

import pytest

from test_index import applied, digests, follower, wait_until  # noqa: F401 (a fixture)


def computed(job, number, **more):
    return {"type": "ResultComputed", "job_id": job, "occurred_at": 1_767_600_000_000_000 + number, "result": f"sims/{job}/{number}", "kind": "sim",
            "loss": float(number), **more}


def some(n, job="job", start=0, **more):
    return [computed(job, start + i, **more) for i in range(n)]


def stats_of(provmat, index):
    return provmat.json_rows("--index", index, "stats")[0]


def answer_of(provmat, index, *question):
    return json.loads(provmat("--index", index, *(question or ("query", "jobs")), "-f", "json", check=(0, 1)).stdout)["index"]


def assert_stopped(provmat, log, index, gap, words):
    """materialize --once says what is wrong and both ways out, and so do the answers: they are not complete."""
    for _ in range(2):
        done = provmat("materialize", "--once", "--log", log, "--index", index, check=4)
        place = f"{gap['partition']}:{gap['from']}-{gap['to']}"
        assert f"partition {gap['partition']}" in done.err and words in done.err, done.err
        assert f"--accept-gap {place} --index {index}" in done.err and f"provmat rebuild --index {index}" in done.err, done.err
    want = {**gap, "accepted": False}
    stats, answer = stats_of(provmat, index), answer_of(provmat, index)
    assert stats["complete"] == answer["complete"] == "no"
    assert stats["gaps"] == answer["gaps"] == [want]
    assert want["kind"] in ("missing", "replaced")
    assert "the partition is stopped" in provmat("--index", index, "verify").err


def assert_sound(provmat, index):
    assert stats_of(provmat, index)["complete"] == answer_of(provmat, index)["complete"] == "yes"
    assert "gaps" not in answer_of(provmat, index) and stats_of(provmat, index)["gaps"] == []


# ---- the embedded log, put back from an older copy ----
@pytest.fixture
def put_back(provmat, local, index, tmp_path):
    """(log, index): 30 events were applied, the log is the copy that was made after 20."""
    log, at = local(), index()
    folder = log.removeprefix("local:")
    provmat.emit(log, some(20))
    shutil.copytree(folder, tmp_path / "copy")
    provmat.emit(log, some(10, start=20))
    provmat("materialize", "--once", "--log", log, "--index", at)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    return log, at


def test_local_log_that_is_shorter_than_what_was_applied(provmat, put_back):
    log, at = put_back
    before = digests(provmat, at)
    assert stats_of(provmat, at)["complete"] == "no", "nobody has told the index yet, but the log was asked"
    assert_stopped(provmat, log, at, {"partition": 0, "from": 20, "to": 29, "kind": "replaced"}, "the log ends at 20")
    assert digests(provmat, at) == before, "what was applied still answers"
    shutil.move(log.removeprefix("local:"), log.removeprefix("local:") + ".away")
    assert answer_of(provmat, at)["complete"] == "no", "the index itself knows, the log cannot be asked"


@pytest.mark.parametrize("more", [10, 25])
def test_local_log_that_was_filled_again(more, provmat, put_back):
    """As many records as were applied, or more: only the record at the anchor tells."""
    log, at = put_back
    provmat.emit(log, some(more, job="other"))
    assert_stopped(provmat, log, at, {"partition": 0, "from": 0, "to": 29, "kind": "replaced"}, "offset 29, holds other bytes now")
    assert not provmat.json_rows("--index", at, "query", "results", "--job", "other", check=1)
    provmat("rebuild", "--index", at)
    assert_sound(provmat, at)
    assert stats_of(provmat, at)["events"] == 20 + more


def test_replaced_records_are_kept_when_that_is_accepted(provmat, put_back):
    log, at = put_back
    provmat.emit(log, some(25, job="other"))
    narrow = provmat("materialize", "--once", "--log", log, "--index", at, "--accept-gap", "0:1-29", check=4)
    assert "--accept-gap 0:0-29" in narrow.err
    provmat("materialize", "--once", "--log", log, "--index", at, "--accept-gap", "0:0-29")
    assert len(provmat.json_rows("--index", at, "query", "results", "--job", "job")) == 30
    assert len(provmat.json_rows("--index", at, "query", "results", "--job", "other")) == 25
    want = [{"partition": 0, "from": 0, "to": 29, "kind": "replaced", "accepted": True}]
    for _ in range(2):  # and for ever
        stats = stats_of(provmat, at)
        assert stats["gaps"] == want and stats["complete"] == "yes" and stats["partitions"][0]["applied"] == 45
        assert "0..29 were applied, and the log does not hold them any more; accepted" in provmat("--index", at, "verify").err
        provmat("materialize", "--once", "--log", log, "--index", at, "--accept-gap", "0:0-29")


def test_log_that_comes_back_as_it_was(provmat, put_back):
    """The right log again: the stop is over, and nothing of it stays."""
    log, at = put_back
    provmat("materialize", "--once", "--log", log, "--index", at, check=4)
    provmat.emit(log, some(10, start=20))
    done = provmat("materialize", "--once", "--log", log, "--index", at)
    assert_sound(provmat, at)
    assert stats_of(provmat, at)["events"] == 30, done.err


def test_gap_that_is_none(provmat, local, index):
    log, at = local(), index()
    provmat.emit(log, some(3))
    done = provmat("materialize", "--once", "--log", log, "--index", at, "--accept-gap", "0:0-1")
    assert "nothing to accept" in done.err
    assert stats_of(provmat, at)["events"] == 3
    assert_sound(provmat, at)


@pytest.mark.parametrize("text", ["0", "0:1", "0:1-", "0:-2", "0:5-4", ":1-2", "x:1-2", "1024:1-2", "0:1-2-3", "0:1-99999999999999999999", ""])
def test_gap_that_cannot_be_read(text, provmat, index):
    assert "--accept-gap" in provmat("materialize", "--once", "--index", index(), "--accept-gap", text, check=2).err


# ---- topics ----
@pytest.mark.parametrize("n, gap, words", [(0, (0, 29), "the log ends at 0"), (12, (12, 29), "the log ends at 12"),
                                           (30, (0, 29), "offset 29, holds other bytes now"),
                                           (41, (0, 29), "offset 29, holds other bytes now")])
def test_topic_made_anew(n, gap, words, provmat, kafka, topic, index):
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(30))
    provmat("materialize", "--once", "--log", log, "--index", at)
    topic("delete", log)
    topic("create", log, 1)
    provmat.emit(log, some(n, job="other"))
    assert_stopped(provmat, log, at, {"partition": 0, "from": gap[0], "to": gap[1], "kind": "replaced"}, words)
    done = provmat("--index", at, "verify", "--against-log", check=(1, 4))
    assert done.err
    provmat("rebuild", "--index", at)
    assert_sound(provmat, at)
    assert stats_of(provmat, at)["events"] == n


def test_same_records_at_another_time(provmat, kafka, topic, rawlog, index):
    """The bytes are the same, the record's time is not: another topic all the same."""
    log, at = kafka(), index()
    for timestamp in (1_767_600_000_000, 1_767_600_000_001):
        topic("create", log, 1)
        rawlog.append(log, [(b"k", json.dumps(event).encode(), timestamp) for event in some(5)])
        done = provmat("materialize", "--once", "--log", log, "--index", at, check=(0, 4))
        topic("delete", log)
    assert done.returncode == 4 and "offset 4, has another time now" in done.err


def test_topic_made_anew_with_fewer_partitions(provmat, kafka, topic, index):
    log, at = kafka(), index()
    topic("create", log, 3)
    provmat.emit(log, [computed(f"job-{n}", n) for n in range(60)])
    provmat("materialize", "--once", "--log", log, "--index", at)
    topic("delete", log)
    topic("create", log, 1)
    done = provmat("materialize", "--once", "--log", log, "--index", at, check=4)
    for partition in range(3):
        assert f"partition {partition}: all below offset" in done.err
    assert "the log has 1 partition" in done.err and "provmat rebuild" in done.err
    assert answer_of(provmat, at)["complete"] == "no"
    assert [gap["partition"] for gap in stats_of(provmat, at)["gaps"]] == [0, 1, 2]


@pytest.fixture
def trimmed(provmat, kafka, topic, index):
    """(log, index, next of partition 0): two partitions, half of each applied, then the head of partition 0 went past that."""
    log, at = kafka(), index()
    topic("create", log, 2)
    events = [computed(f"job-{n % 10}", n) for n in range(200)]
    provmat.emit(log, events[:100])
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat.emit(log, events[100:])
    at_place = stats_of(provmat, at)["partitions"]
    assert all(0 < place["applied"] < place["end"] for place in at_place)
    next_offset = at_place[0]["applied"]
    topic("trim", log, 0, next_offset + 5)
    return log, at, next_offset


def test_head_deleted_past_what_was_applied(trimmed, provmat):
    log, at, next_offset = trimmed
    gap = {"partition": 0, "from": next_offset, "to": next_offset + 4, "kind": "missing"}
    assert answer_of(provmat, at)["gaps"] == [{**gap, "accepted": False}], "the log was asked"
    assert_stopped(provmat, log, at, gap, "are gone from the log")
    stopped, other = stats_of(provmat, at)["partitions"]
    assert stopped["applied"] == next_offset and other["lag"] == 0 and other["applied"] == other["end"], "the other goes on"
    against = provmat("--index", at, "verify", "--against-log", check=4)
    assert "nothing to compare with" in against.err and "rebuild" not in against.err

    accept = f"0:{next_offset}-{next_offset + 4}"
    provmat("materialize", "--once", "--log", log, "--index", at, "--accept-gap", accept)
    want = [{**gap, "accepted": True}]
    for command in (["materialize", "--once"], ["materialize", "--once", "--accept-gap", accept], ["rebuild"]):
        stats = stats_of(provmat, at)
        assert stats["gaps"] == answer_of(provmat, at)["gaps"] == want
        assert stats["complete"] == "no" and [p["lag"] for p in stats["partitions"]] == [0, 0]
        assert f"offsets {next_offset}..{next_offset + 4} were gone" in provmat("--index", at, "verify").err
        done = provmat(*command, "--log", log, "--index", at)
        assert "nothing to accept" not in done.err
    stats = stats_of(provmat, at)
    assert stats["gaps"] == want and stats["partitions"][0]["first"] == next_offset + 5, "a rebuild does not bring them back"


def test_head_deleted_and_rebuilt(trimmed, provmat):
    log, at, next_offset = trimmed
    provmat("rebuild", "--index", at)
    assert_sound(provmat, at)
    assert stats_of(provmat, at)["partitions"][0]["first"] == next_offset + 5
    assert provmat("--index", at, "verify", "--against-log")


def test_head_deleted_below_what_was_applied(provmat, kafka, topic, index):
    """What is applied may go: also the anchor."""
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(20))
    provmat("materialize", "--once", "--log", log, "--index", at)
    topic("trim", log, 0, 20)
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat.emit(log, some(5, start=20))
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert_sound(provmat, at)
    assert stats_of(provmat, at)["events"] == 25


def test_topic_deleted_while_it_is_followed(provmat, kafka, topic, index, follower):  # noqa: F811
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(10))
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) == 10)
    topic("delete", log)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 4 and out == b"" and b"provmat log create" in err, err
    assert applied(provmat, at) == 10


def test_topic_replaced_while_it_is_followed(provmat, kafka, topic, index, follower):  # noqa: F811
    """At once, and with more records than were applied: the client library goes on without a word."""
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(10))
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) == 10)
    topic("delete", log)
    topic("create", log, 1)
    provmat.emit(log, some(25, job="other"))
    out, err = process.communicate(timeout=90)
    assert process.returncode == 4 and out == b"" and b"recreated" in err, err
    assert answer_of(provmat, at)["complete"] == "no"


def test_records_that_come_after_a_pause(provmat, kafka, topic, index, follower):  # noqa: F811
    """In the pause the topic could have been made anew, so the last record is read again; here it is the same, and reading goes on."""
    log, at = kafka(), index()
    topic("create", log, 1)
    process = follower("--log", log, "--index", at)
    for n in range(1, 4):
        provmat.emit(log, some(10, start=10 * n))
        wait_until(lambda n=n: applied(provmat, at) == 10 * n, 60)
        time.sleep(0.8)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_partitions_are_added(provmat, kafka, topic, index, follower):  # noqa: F811
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(10))
    process = follower("--log", log, "--index", at)
    wait_until(lambda: applied(provmat, at) == 10)
    topic("grow", log, 4)
    provmat.emit(log, [computed(f"job-{n}", n) for n in range(40)])
    wait_until(lambda: applied(provmat, at) == 50, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert [place["lag"] for place in stats_of(provmat, at)["partitions"]] == [0] * 4
    topic("grow", log, 6)
    provmat.emit(log, [computed(f"more-{n}", n) for n in range(40)])
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert applied(provmat, at) == 90
    assert_sound(provmat, at)


def test_topic_that_forgets_is_warned_of_at_every_start(provmat, kafka, topic, index):
    log, at, kept = kafka(), index(), kafka()
    topic("create", log, 1, "cleanup.policy=compact,delete", "retention.ms=86400000", "retention.bytes=1000000")
    provmat("log", "create", "--log", kept)
    provmat.emit(log, some(3))
    for _ in range(2):
        done = provmat("materialize", "--once", "--log", log, "--index", at)
        for words in ("cleanup.policy=compact", "retention.ms=86400000", "retention.bytes=1000000"):
            assert f"warning: {words}" in done.err, done.err
    info = provmat("log", "info", "--log", log)
    assert len(json.loads(info.stdout)["warnings"]) >= 3 and info.err.count("would lose history") == 3
    assert "warning" not in provmat("materialize", "--once", "--log", kept, "--index", index()).err


# ---- the end of a topic ----
@pytest.mark.parametrize("ends", [["commit"], ["abort"], ["commit", "abort", "abort"]], ids="-".join)
def test_transactions_at_the_end(ends, provmat, kafka, topic, index):
    """Markers own offsets that nobody receives: the end is a position, never a record. What was aborted never was."""
    log, at = kafka(), index()
    topic("create", log, 1)
    provmat.emit(log, some(4))
    number, end, committed = 0, 4, 4
    for outcome in ends:
        topic("transaction", log, 0, outcome, values=[json.dumps(computed("tx", number + i)) for i in range(3)])
        number, end, committed = number + 3, end + 4, committed + (3 if outcome == "commit" else 0)

    def marker_is_written():  # a moment after the producer was told so
        return json.loads(provmat("log", "info", "--log", log, "-f", "json").stdout)["partitions"][0]["next"] == end

    wait_until(marker_is_written)
    for _ in range(2):  # the second time there is nothing behind the anchor but markers
        provmat("materialize", "--once", "--log", log, "--index", at)
        place, = stats_of(provmat, at)["partitions"]
        assert (place["applied"], place["end"], place["lag"]) == (end, end, 0) and applied(provmat, at) == committed
        assert_sound(provmat, at)
    provmat.emit(log, some(2, job="after"))
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert applied(provmat, at) == committed + 2
    assert provmat("--index", at, "verify", "--against-log")
