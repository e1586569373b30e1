"""Producer: what it says is what `emit` would have said, and nothing that is wrong reaches the program that says it."""

import asyncio
import datetime
import enum
import pathlib
import pickle
import threading

import provmat
import pytest

AT = datetime.datetime(2026, 1, 6, 9, 0, 7, 250000, tzinfo=datetime.timezone.utc)
AT_US = 1767690007250000
PATH = "token/v1/sims/4f446dbc7bd0/seed_42"
OUTPUTS = [{"name": "prevalence", "size": 4410, "checksum": "b847"}, {"name": "été", "size": 0, "checksum": "22d8"}]


def test_every_event_is_the_one_that_emit_makes(log):
    """To its id, which is derived from all its fields."""
    common = {"occurred_at": AT_US, "job_id": "job-1", "worker": "w7"}
    result = {"kind": "sim", "schema": "token", "schema_version": 1, "bundle_ref": "oci.example:5000/m@sha256:" + "a" * 64,
              "model_digest": "sha256:76", "entrypoint": "models.seir/baseline", "params": {"β": 0.1, "n": 1, "one": 1.0, "on": True,
                                                                                        "text": 'a"\\\n\x01é'}, "seed": 2 ** 64 - 1}
    agg = {"kind": "agg", "target": "targets.prevalence:prevalence_target", "target_digest": "d", "aggregation_id": "1a91"}
    with provmat.Producer(log.url, job_id="job-1", worker="w7") as p:
        assert p.computed(PATH, occurred_at=AT, outputs=OUTPUTS, loss=-0.0, n_replicates=3, task_id="t", inputs=("a/b", "a/c"),
                          input_task_ids=["1", "2"], replicate_losses=[0.5, 1e22], diagnostics={"w": [1, None, {"x": False}]},
                          duration_us=datetime.timedelta(milliseconds=17), env_digest="61", **result)
        assert p.reused("a/agg", occurred_at=AT, source="local", stored_at=AT, loss=8526699.741935484, n_replicates=1, outputs=[], **agg)
        assert p.discovered("a/d", occurred_at=AT, kind="sim")
        assert p.failed("a/f", occurred_at=AT, kind="sim", error=ValueError("too small"), retryable=True)
        assert p.expected([PATH, "a/agg"], occurred_at=AT)
        assert p.deleted("a/old", occurred_at=AT, reason="old")
        assert p.deleted("a/older", occurred_at=AT, job_id="job-1")
        assert p.submitted(occurred_at=AT, job_type="simulation", targets=["t1"], parents=["job-0"], definition_hash="01", input_hash="f5",
                           inputs={"tasks": 12}, provider_id="p", provider_model="m", user="u", rerun_of="job-0", metadata={"n": 4})
        assert p.status("failed", occurred_at=AT, error=MemoryError(), duration_us=5)
        assert p.flush()
        assert p.counters == (9, 0, 9, 0, 0, 0)
    one = {**common, "type": "ResultComputed", "result": PATH, "outputs": OUTPUTS, "loss": -0.0, "n_replicates": 3, "task_id": "t",
           "inputs": ["a/b", "a/c"], "input_task_ids": ["1", "2"], "replicate_losses": [0.5, 1e22],
           "diagnostics": {"w": [1, None, {"x": False}]}, "duration_us": 17000, "env_digest": "61", **result}
    no_job = {name: value for name, value in common.items() if name != "job_id"}
    expected = [
        one,
        {**common, "type": "ResultReused", "result": "a/agg", "source": "local", "stored_at": AT_US, "loss": 8526699.741935484,
         "n_replicates": 1, "outputs": [], **agg},
        {**no_job, "type": "ResultDiscovered", "result": "a/d", "kind": "sim"},
        {**common, "type": "ResultFailed", "result": "a/f", "kind": "sim",
         "error": {"type": "ValueError", "message": "too small", "retryable": True}},
        {**common, "type": "ResultsExpected", "results": [PATH, "a/agg"]},
        {**no_job, "type": "ResultDeleted", "result": "a/old", "reason": "old"},
        {**common, "type": "ResultDeleted", "result": "a/older"},
        {**common, "type": "JobSubmitted", "job_type": "simulation", "targets": ["t1"], "parents": ["job-0"], "definition_hash": "01",
         "input_hash": "f5", "inputs": {"tasks": 12}, "provider_id": "p", "provider_model": "m", "user": "u", "rerun_of": "job-0",
         "metadata": {"n": 4}},
        {**common, "type": "JobStatusChanged", "status": "failed", "error": "MemoryError", "duration_us": 5},
    ]
    events = log.events()
    assert events == log.emitted(expected)
    assert len({event["event_id"] for event in events}) == 9


def test_the_same_said_twice_is_said_twice(log):
    """Computed, deleted and computed again is a result that is there."""
    with provmat.Producer(log.url, job_id="job-1") as p:
        for _ in range(3):
            assert p.computed("a", kind="sim") and p.deleted("a")
        assert p.computed("a", kind="sim")
    events = log.events()
    assert len({event["event_id"] for event in events}) == 7
    assert [event["occurred_at"] for event in events] == sorted({event["occurred_at"] for event in events})
    row, = log.rows("result", "a")
    assert row["deleted_at"] is None


class Word(str, enum.Enum):
    SIM = "sim"


class Number(enum.Enum):
    THREE = 3


class NumpyLike:
    def tolist(self):
        return 0.25


def test_values_that_mean_something_in_python(log):
    with provmat.Producer(log.url, job_id="job-1") as p:
        assert p.computed(pathlib.PurePosixPath("a/b"), kind=Word.SIM, n_replicates=Number.THREE, loss=NumpyLike(), seed=None, schema=None)
    event, = log.events()
    assert (event["result"], event["kind"], event["n_replicates"], event["loss"]) == ("a/b", "sim", 3, 0.25)
    assert "seed" not in event and "worker" not in event


class Hostile:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


def deep():
    value = []
    for _ in range(1000):
        value = [value]
    return value


BAD = {
    "nothing": ((), {}),
    "no kind": (("a",), {}),
    "two texts": (("a", "b"), {"kind": "sim"}),
    "an unknown field": (("a",), {"kind": "sim", "colour": 1}),
    "a field twice": (("a",), {"kind": "sim", "result": "b"}),
    "another type": (("a",), {"kind": "sim", "type": "ResultReused"}),
    "a wrong word": (("a",), {"kind": "simulation"}),
    "a path that climbs": (("a/../b",), {"kind": "sim"}),
    "None": ((None,), {"kind": "sim"}),
    "half a character": (("a/\ud800",), {"kind": "sim"}),
    "NaN": (("a",), {"kind": "sim", "loss": float("nan")}),
    "infinity": (("a",), {"kind": "sim", "replicate_losses": [float("inf")]}),
    "a time without zone": (("a",), {"kind": "sim", "occurred_at": datetime.datetime(2026, 1, 1)}),
    "bytes": (("a",), {"kind": "sim", "task_id": b"x"}),
    "a number that names": (("a",), {"kind": "sim", "diagnostics": {1: 2}}),
    "a parameter None": (("a",), {"kind": "sim", "params": {"x": None}}),
    "a parameter from numpy": (("a",), {"kind": "sim", "params": {"x": NumpyLike()}}),
    "no parameters": (("a",), {"kind": "sim", "params": 1}),
    "a seed too large": (("a",), {"kind": "sim", "seed": 2 ** 64}),
    "an endless value": (("a",), {"kind": "sim", "diagnostics": {"x": deep()}}),
    "a hostile value": (("a",), {"kind": "sim", "loss": Hostile()}),
    "too long": (("a",), {"kind": "sim", "task_id": "x" * (3 << 20)}),
    "no job": (("a",), {"kind": "sim", "job_id": ""}),
}


@pytest.mark.parametrize("args,fields", BAD.values(), ids=BAD)
def test_what_is_wrong_is_counted_and_logged_once_and_goes_on(log, said, args, fields):
    with provmat.Producer(log.url, job_id="job-1") as p:
        assert p.computed(*args, **fields) is False
        assert p.computed(*args, **fields) is False
        assert p.counters.rejected == 2
        assert [level for level, _ in said()] == ["WARNING"]
        assert said()[0][1].startswith("ResultComputed is not recorded: ")
        assert p.computed("a", kind="sim") is True
    assert len(log.events()) == 1


@pytest.mark.parametrize("fields,text", [
    ({"occurred_at": datetime.datetime(2026, 1, 1)}, "the time 2026-01-01T00:00:00 has no time zone"),
    ({"loss": float("nan")}, "NaN is not a finite number"),
    ({"task_id": b"x"}, "b'x' is of type bytes, which has no place in an event"),
    ({"params": {"x": NumpyLike()}}, "is no bool, int, float or str"),
    ({"diagnostics": {1: 2}}, "the name 1 is not a string"),
    ({"colour": 1}, "colour"),
])
def test_the_reason_is_told(log, said, fields, text):
    with provmat.Producer(log.url, job_id="job-1") as p:
        assert not p.computed("a", kind="sim", **fields)
    assert text in said()[0][1]


def test_errors_without_a_text_are_errors_all_the_same(log):
    with provmat.Producer(log.url, job_id="job-1") as p:
        assert p.failed("a", kind="sim", error=Hostile())
        assert p.failed("b", kind="sim", error={"type": "E", "message": "m"})
        assert p.status("failed", error=Hostile())
    first, second, third = log.events()
    assert first["error"]["type"] == "Hostile" and third["error"] == "Hostile"
    assert second["error"] == {"type": "E", "message": "m", "retryable": False}


def test_what_the_program_wants_is_not_held_up(log):
    class Interrupted:
        def tolist(self):
            raise KeyboardInterrupt

    with provmat.Producer(log.url, job_id="job-1") as p, pytest.raises(KeyboardInterrupt):
        p.computed("a", kind="sim", loss=Interrupted())


OPTIONS = {
    "log": ({"log": "ftp://x"}, 'option log, "ftp://x"'),
    "properties": ({"properties": {"no.such.property": 1}}, "no.such.property"),
    "queue_bytes": ({"queue_bytes": 5}, "option queue_bytes, 5"),
    "negative": ({"queue_bytes": -5}, ""),
    "linger_ms": ({"linger_ms": 99999999}, "option linger_ms, 99999999"),
    "log_timeout_ms": ({"log_timeout_ms": 1}, "option log_timeout_ms, 1"),
    "outbox_mode": ({"outbox_mode": "sometimes"}, "option outbox_mode, 'sometimes': it is one of 'auto', 'always'"),
    "outbox_sync": ({"outbox_sync": "now"}, "option outbox_sync, 'now'"),
    "exit_timeout": ({"exit_timeout": -1}, "option exit_timeout, -1"),
    "job_id": ({"job_id": "x" * 300}, "option job_id"),
    "a type": ({"linger_ms": "5"}, ""),
    "a zero": ({"log": "local:a\0b"}, ""),
}


@pytest.mark.parametrize("options,text", OPTIONS.values(), ids=OPTIONS)
def test_wrong_options_are_told_at_once(options, text):
    with pytest.raises(provmat.ConfigError) as error:
        provmat.Producer(**options)
    assert text in str(error.value) and str(error.value)


def test_closed(log, said):
    p = provmat.Producer(log.url, job_id="job-1")
    assert p.computed("a", kind="sim") and not p.closed
    assert p.close() and p.closed and p.close() and p.flush()
    assert p.computed("b", kind="sim") is False
    assert p.counters == (1, 0, 1, 0, 1, 0) and p.problem is None
    assert "closed" in said()[-1][1] and "closed, 1 events" in repr(p)
    with pytest.raises(TypeError):
        pickle.dumps(p)
    with pytest.raises(RuntimeError):
        p.__init__(log.url)
    p._exit_timeout = 0


def test_a_log_that_is_away_is_told_once_and_bounds_the_end(said):
    p = provmat.Producer("kafka://127.0.0.1:1/t", job_id="job-1", log_timeout_ms=100, linger_ms=1)
    assert p.computed("a", kind="sim")
    assert p.flush(0.5) is False
    assert p.problem is not None and p.counters.queued == 1
    assert p.computed("b", kind="sim")
    assert p.close(0.5) is False
    away = [text for _, text in said() if "127.0.0.1" in text]
    assert len(away) >= 1
    assert "1 events are not acknowledged after 500 ms: " in str(said())
    assert said()[-1][1].startswith("2 events were lost: the log did not take them within 500 ms: ")
    assert len([1 for _, text in said() if "lost" not in text and "not acknowledged" not in text]) == 1


def test_a_full_queue_drops_and_says_so_once(said):
    p = provmat.Producer("kafka://127.0.0.1:1/t", job_id="job-1", log_timeout_ms=100, queue_bytes=4 << 20)
    accepted = [p.computed(f"a/{number}", kind="sim", task_id="x" * 60_000) for number in range(100)]
    counters = p.counters
    assert accepted.count(True) == counters.accepted == counters.queued < 100
    assert counters.dropped == 100 - counters.accepted > 0
    for _ in range(300):  # the library's thread tells when it comes to it
        p.flush(0.1)
        if errors := [text for level, text in said() if level == "ERROR"]:
            break
    assert len(errors) == 1 and "events were dropped" in errors[0]
    p.close(0)


def test_the_job_of_the_context(log):
    def thread():
        with provmat.job("job-t"):
            p.reused("t", kind="sim")
        p.reused("t2", kind="sim")

    async def task(name):
        with provmat.job(name):
            await asyncio.sleep(0)
            p.reused(name, kind="sim")
            await asyncio.to_thread(p.reused, f"{name}-in-thread", kind="sim")

    async def both():
        await asyncio.gather(task("job-x"), task("job-y"))

    @provmat.job("job-d")
    def decorated():
        p.reused("d", kind="sim")

    with provmat.Producer(log.url, job_id="job-default") as p:
        with provmat.job("job-o"):
            assert provmat.current_job() == "job-o"
            with provmat.job("job-i"):
                p.reused("i", kind="sim")
                p.reused("e", kind="sim", job_id="job-explicit")
            p.reused("o", kind="sim")
            worker = threading.Thread(target=thread)
            worker.start()
            worker.join()
        asyncio.run(both())
        decorated()
        assert provmat.current_job() is None
    assert {event["result"]: event["job_id"] for event in log.events()} == {
        "i": "job-i", "e": "job-explicit", "o": "job-o", "t": "job-t", "t2": "job-default", "job-x": "job-x", "job-y": "job-y",
        "job-x-in-thread": "job-x", "job-y-in-thread": "job-y", "d": "job-d"}


def test_threads(log):
    def work(name):
        for number in range(500):
            assert p.computed(f"{name}/{number}", kind="sim", params={"n": number})

    with provmat.Producer(log.url, job_id="job-1") as p:
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = log.events()
    assert len({event["result"] for event in events}) == len(events) == 2000
    assert len(log.program("replay", "--log", log.url).splitlines()) == 2000


def test_close_while_others_say(log):
    def work():
        while p.computed("a", kind="sim"):
            n.append(1)

    n = []
    p = provmat.Producer(log.url, job_id="job-1", exit_timeout=20)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(n) < 300:
        pass
    assert p.close()
    for thread in threads:
        thread.join()
    assert p.counters.accepted == len(n) == len(log.events())
