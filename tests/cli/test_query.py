"""Every query on a small world made by hand, with the answers written out from the contract."""

import csv
import hashlib
import io
import json
import os
import pty
import struct
import subprocess
import termios
from fcntl import ioctl

import pytest

A = "aaaaaa" + "1" * 58
B = "aaaaaa2" + "0" * 57
C = "cccccc" + "3" * 58

ONE, TWO, THREE = "v1/sims/p1/seed_1", "v1/sims/p1/seed_2", "v1/sims/p2/seed_1"
AGG, FOUND, GONE = "v1/aggs/x", "v1/sims/p9/seed_7", "v1/sims/p9/seed_8"


def param_id(canonical):
    return hashlib.blake2b(("contracts:param:v1|" + canonical).encode(), digest_size=32).hexdigest()


P1 = '{"beta":0.5,"mode":"fast","n":1}'
P2 = '{"beta":0.5,"mode":"slow","n":1.0}'


def at(minute):
    return f"2026-01-05T09:{minute:02d}:00Z"


def shown(minute):
    return f"2026-01-05T09:{minute:02d}:00.000000Z"


def sim(path, params, seed, **more):
    return {"result": path, "kind": "sim", "params": json.loads(params), "seed": seed, "bundle_digest": A, "entrypoint": "m/base", **more}


EVENTS = [
    {"type": "JobSubmitted", "job_id": "job-a", "occurred_at": at(0), "job_type": "calibration", "bundle_digest": A, "targets": ["cases", "alpha"],
     "parents": ["root"]},
    {"type": "ResultsExpected", "job_id": "job-a", "occurred_at": at(1), "results": [ONE, TWO, THREE]},
    {"type": "ResultComputed", "job_id": "job-a", "occurred_at": at(2),
     **sim(ONE, P1, 1, outputs=[{"name": "t", "size": 10, "checksum": "c1"}])},
    {"type": "ResultFailed", "job_id": "job-a", "occurred_at": at(3), **sim(TWO, P1, 2**64 - 1, error={"type": "E", "message": "m", "retryable": False})},
    {"type": "ResultComputed", "job_id": "job-a", "occurred_at": at(4), "result": AGG, "kind": "agg", "bundle_digest": A, "target": "cases", "loss": 0.1,
     "n_replicates": 2, "aggregation_id": "agg1"},
    {"type": "JobStatusChanged", "job_id": "job-a", "occurred_at": at(5), "status": "partial"},
    {"type": "ResultReused", "job_id": "job-b", "occurred_at": at(10), **sim(ONE, P1, 1)},
    {"type": "ResultComputed", "job_id": "job-b", "occurred_at": at(11), **sim(THREE, P2, 2**53 + 1, bundle_digest=B)},
    {"type": "ResultComputed", "job_id": "job-b", "occurred_at": at(12), "result": AGG, "kind": "agg", "bundle_digest": A, "target": "cases", "loss": 0.25,
     "n_replicates": 2, "aggregation_id": "agg1"},
    {"type": "JobStatusChanged", "job_id": "job-b", "occurred_at": at(13), "status": "running"},
    {"type": "ResultReused", "job_id": "job-ab", "occurred_at": at(20), **sim(ONE, P1, 1)},
    {"type": "JobStatusChanged", "job_id": "job-ab", "occurred_at": at(20), "status": "succeeded"},
    {"type": "ResultDiscovered", "occurred_at": at(21), **sim(FOUND, P2, 7, bundle_digest=C, target="cases")},
    {"type": "ResultReused", "job_id": "job-ab", "occurred_at": at(22), **sim(FOUND, P2, 7, bundle_digest=C, entrypoint="m/other", target="cases")},
    {"type": "ResultDiscovered", "occurred_at": at(23), **sim(GONE, P2, 8, bundle_digest=C)},
    {"type": "ResultDeleted", "occurred_at": at(24), "result": GONE},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from conftest import Provmat
    home = tmp_path_factory.mktemp("query")
    provmat = Provmat(home)
    log = f"local:{home}/log"
    provmat.emit(log, EVENTS)
    provmat("materialize", "--once", "--log", log, "--index", home / "index")

    def ask(*arguments, **more):
        return provmat("--index", home / "index", *arguments, **more)

    ask.rows = lambda *arguments, **more: [json.loads(line) for line in ask(*arguments, **more).stdout.decode().splitlines()]
    ask.home, ask.log, ask.provmat = home, log, provmat
    return ask


def job_a(**more):
    return {"job_id": "job-a", "job_type": "calibration", "status": "partial", "computed": 2, "reused": 0, "failed": 1, "expected": 3, "missing": 2,
            "first_at": shown(0), "last_at": shown(5), "bundle_digests": [A], "targets": ["alpha", "cases"], "parents": ["root"], **more}


JOB_B = {"job_id": "job-b", "job_type": None, "status": "running", "computed": 2, "reused": 1, "failed": 0, "expected": 0, "missing": 0,
         "first_at": shown(10), "last_at": shown(13), "bundle_digests": [A, B], "targets": ["cases"], "parents": []}
JOB_AB = {"job_id": "job-ab", "job_type": None, "status": "succeeded", "computed": 0, "reused": 2, "failed": 0, "expected": 0, "missing": 0,
          "first_at": shown(20), "last_at": shown(22), "bundle_digests": [A, C], "targets": ["cases"], "parents": []}


# ---- jobs ----
def test_job(world):
    assert world.rows("query", "job", "job-a") == [job_a()]
    assert list(world.rows("query", "job", "job-a")[0]) == list(job_a())


def test_job_by_a_unique_beginning(world):
    assert world.rows("query", "job", "job-b") == [JOB_B]
    assert [row["job_id"] for row in world.rows("query", "job", "job-ab")] == ["job-ab"]


def test_ambiguous_job(world):
    done = world("query", "job", "job-", check=2)
    assert done.stdout == b""
    assert done.err.splitlines() == ["  job-a", "  job-ab", "  job-b", 'provmat: "job-" is ambiguous: 3 jobs begin so; write more of it']


def test_unknown_job(world):
    done = world("query", "job", "job-c", check=1)
    assert done.stdout == b""
    assert done.err == 'provmat: no job "job-c" in the index; did you mean "job-a"?\n'
    assert world("query", "job", "nothing like it", check=1).err == 'provmat: no job "nothing like it" in the index\n'
    assert world("query", "results", "--job", "job-c", check=1).err == 'provmat: no job "job-c" in the index; did you mean "job-a"?\n'
    assert "empty" in world("query", "job", "", check=2).err


def test_jobs_newest_first(world):
    assert world.rows("query", "jobs") == [JOB_AB, JOB_B, job_a()]


@pytest.mark.parametrize(("flags", "jobs"), [
    (["--bundle", A[:6]], ["job-ab", "job-b", "job-a"]),
    (["--bundle", "sha256:" + B[:7]], ["job-b"]),
    (["--bundle", C], ["job-ab"]),
    (["--status", "running"], ["job-b"]),
    (["--status", "pending"], []),
    (["--since", at(10)], ["job-ab", "job-b"]),
    (["--until", at(10)], ["job-a"]),
    (["--since", at(10), "--until", "2026-01-05T09:20:00.000001Z"], ["job-ab", "job-b"]),
    (["--since", at(10), "--until", at(20), "--bundle", B[:7], "--status", "running"], ["job-b"]),
    (["--result", ONE, "--status", "succeeded"], ["job-ab"]),
])
def test_jobs_filters(world, flags, jobs):
    done = world("query", "jobs", *flags, check=0 if jobs else 1)
    assert [json.loads(line)["job_id"] for line in done.stdout.splitlines()] == jobs
    assert done.err == ""


def test_jobs_of_a_result(world):
    assert world.rows("query", "jobs", "--result", ONE) == [
        {"job_id": "job-ab", "role": "reused", "at": shown(20)},
        {"job_id": "job-b", "role": "reused", "at": shown(10)},
        {"job_id": "job-a", "role": "computed", "at": shown(2)},
    ]
    assert world.rows("query", "jobs", "--result", TWO) == [{"job_id": "job-a", "role": "failed", "at": shown(3)}]


# ---- results ----
def row(path, params=None, seed=None, kind="sim", target=None, loss=None, **more):
    return {"result": path, "kind": kind, **more, "param_id": params and param_id(params), "seed": seed, "target": target, "loss": loss}


def test_results_of_a_job(world):
    got = world.rows("query", "results", "--job", "job-a")
    assert got == [
        row(AGG, kind="agg", role="computed", at=shown(4), target="cases", loss=0.1),
        row(ONE, P1, 1, role="computed", at=shown(2)),
        row(TWO, P1, str(2**64 - 1), role="failed", at=shown(3)),
        row(THREE, P2, str(2**53 + 1), role="expected", at=shown(1)),
    ]
    assert list(got[0]) == ["result", "kind", "role", "at", "param_id", "seed", "target", "loss"]


ALL = [AGG, ONE, TWO, THREE, FOUND, GONE]


@pytest.mark.parametrize(("flags", "paths"), [
    ([], ALL),
    (["--job", "job-a", "--role", "computed"], [AGG, ONE]),
    (["--job", "job-a", "--role", "expected"], [THREE]),
    (["--job", "job-a", "--role", "reused"], []),
    (["--job", "job-a", "--missing"], [TWO, THREE]),
    (["--job", "job-a", "--missing", "--role", "failed"], [TWO]),
    (["--job", "job-a", "--kind", "agg"], [AGG]),
    (["--job", "job-a", "--param", "mode=fast"], [ONE, TWO]),
    (["--job", "job-ab", "--unattributed"], [FOUND]),
    (["--kind", "agg"], [AGG]),
    (["--bundle", A], [AGG, ONE, TWO]),
    (["--bundle", "AAAAAA"], [AGG, ONE, TWO, THREE]),
    (["--bundle", "sha256:dddddd"], []),
    (["--target", "cases"], [AGG, FOUND]),
    (["--target", "case"], []),
    (["--unattributed"], [TWO, FOUND, GONE]),
    (["--path-prefix", "v1/sims/p1"], [ONE, TWO]),
    (["--path-prefix", "v1/sims/p9/seed_7"], [FOUND]),
    (["--path-prefix", "nowhere"], []),
    (["--param", "beta=0.5"], [ONE, TWO, THREE, FOUND, GONE]),
    (["--param", "beta=0.50"], [ONE, TWO, THREE, FOUND, GONE]),
    (["--param", "n=1"], [ONE, TWO]),
    (["--param", "n=1.0"], [THREE, FOUND, GONE]),
    (["--param", "mode=slow", "--param", "n=1.0"], [THREE, FOUND, GONE]),
    (["--param", 'mode="slow"', "--param", "n=1"], []),
    (["--param", "missing=1"], []),
    (["--param", "n=1.0", "--unattributed", "--path-prefix", "v1/sims/p9", "--bundle", C[:6], "--kind", "sim"], [FOUND, GONE]),
])
def test_results_filters(world, flags, paths):
    done = world("query", "results", *flags, check=0 if paths else 1)
    assert [json.loads(line)["result"] for line in done.stdout.splitlines()] == paths
    assert done.err == ""


def test_results_rows(world):
    assert world.rows("query", "results", "--path-prefix", "v1/sims/p2") == [row(THREE, P2, str(2**53 + 1))]
    assert list(world.rows("query", "results", "--target", "cases")[0]) == ["result", "kind", "param_id", "seed", "target", "loss"]


@pytest.mark.parametrize(("flags", "text"), [
    (["--role", "computed"], "--role needs --job"),
    (["--missing"], "--missing needs --job"),
    (["--bundle", "abcde"], '--bundle: "abcde" has 5 digits'),
    (["--bundle", "abcdex"], "'x' is not a hexadecimal digit"),
    (["--param", "beta"], '--param: "beta" has no "="'),
    (["--columns", "result,los"], '--columns: unknown column "los"; did you mean "loss"? columns: result, kind, param_id, seed, target, loss'),
    (["--sort", "lost"], '--sort: unknown column "lost"; did you mean "loss"?'),
    (["--sort", "loss:up"], '--sort: "loss:up" is not an order'),
    (["--columns", "loss,loss"], '--columns: "loss" is named twice'),
])
def test_usage(world, flags, text):
    done = world("query", "results", *flags, check=2)
    assert done.stdout == b""
    assert text in done.err


# ---- one result ----
def test_result(world):
    got = world.rows("query", "result", ONE)
    assert got == [{
        "result": ONE, "kind": "sim", "schema": None, "schema_version": None, "bundle_digest": A, "model_digest": None, "entrypoint": "m/base",
        "param_id": param_id(P1), "params": {"beta": 0.5, "mode": "fast", "n": 1}, "seed": 1, "target": None, "target_digest": None,
        "aggregation_id": None, "loss": None, "n_replicates": None, "outputs": [{"name": "t", "size": 10, "checksum": "c1"}],
        "computed_by": [{"job_id": "job-a", "at": shown(2)}],
        "reused_by": [{"job_id": "job-b", "at": shown(10)}, {"job_id": "job-ab", "at": shown(20)}],
        "failed_by": [], "expected_by": [{"job_id": "job-a", "at": shown(1)}],
        "first_computed_at": shown(2), "last_used_at": shown(20), "attributed": True, "deleted_at": None, "conflicts": 0,
    }]


def test_params_keep_their_text(world):
    assert f'"params":{P2},' in world("query", "result", THREE).stdout.decode()


def test_result_without_jobs(world):
    got = world.rows("query", "result", GONE)[0]
    assert (got["deleted_at"], got["attributed"], got["first_computed_at"], got["last_used_at"]) == (shown(24), False, None, None)
    assert [got[key] for key in ("computed_by", "reused_by", "failed_by", "expected_by")] == [[], [], [], []]


def test_result_with_two_losses(world):
    got = world.rows("query", "result", AGG)[0]
    assert (got["loss"], got["n_replicates"], got["conflicts"], got["aggregation_id"]) == (0.1, 2, 1, "agg1")
    assert got["computed_by"] == [{"job_id": "job-a", "at": shown(4)}, {"job_id": "job-b", "at": shown(12)}]


def test_result_by_a_unique_beginning(world):
    assert [r["result"] for r in world.rows("query", "result", "v1/aggs")] == [AGG]
    assert [r["job_id"] for r in world.rows("query", "jobs", "--result", "v1/sims/p2")] == ["job-b", "job-a"]
    done = world("query", "result", "v1/sims/p1", check=2)
    assert done.err.splitlines() == [f"  {ONE}", f"  {TWO}", 'provmat: "v1/sims/p1" is ambiguous: 2 results begin so; write more of it']


def test_unknown_result(world):
    done = world("query", "result", "v1/sims/p1/seed_3", check=1)
    assert done.err == f'provmat: no result "v1/sims/p1/seed_3" in the index; did you mean "{ONE}"?\n'
    assert done.stdout == b""


def test_more_candidates_than_are_shown(provmat, local, index):
    log, at_ = local(), index()
    provmat.emit(log, [{"type": "ResultDiscovered", "occurred_at": at(0), "result": f"r/{n:02d}", "kind": "sim"} for n in range(12, 0, -1)])
    provmat("materialize", "--once", "--log", log, "--index", at_)
    done = provmat("--index", at_, "query", "result", "r/", check=2)
    assert done.err.splitlines() == [*(f"  r/{n:02d}" for n in range(1, 11)), "  and 2 more",
                                     'provmat: "r/" is ambiguous: 12 results begin so; write more of it']


# ---- conflicts ----
def test_conflicts(world):
    assert world.rows("query", "conflicts") == [
        {"subject": "result", "id": AGG, "class": "nondeterminism", "what": "loss", "values": [
            {"value": 0.1, "type": "ResultComputed", "job_id": "job-a", "at": shown(4)},
            {"value": 0.25, "type": "ResultComputed", "job_id": "job-b", "at": shown(12)}]},
        {"subject": "result", "id": FOUND, "class": "false_hit", "what": "entrypoint", "values": [
            {"value": "m/base", "type": "ResultDiscovered", "job_id": None, "at": shown(21)},
            {"value": "m/other", "type": "ResultReused", "job_id": "job-ab", "at": shown(22)}]},
    ]
    assert [r["id"] for r in world.rows("query", "conflicts", "--class", "false_hit")] == [FOUND]
    assert world.rows("query", "conflicts", "--class", "collision", check=1) == []


# ---- formats ----
def test_json_wraps_the_rows(world):
    got = json.loads(world("query", "job", "job-b", "--format", "json").stdout)
    assert got == {"rows": [JOB_B], "index": {"applied": {"0": len(EVENTS)}, "complete": "yes"}}
    nothing = world("query", "results", "--target", "x", "--format", "json", check=1)
    assert json.loads(nothing.stdout) == {"rows": [], "index": {"applied": {"0": len(EVENTS)}, "complete": "yes"}}
    unknown = world("query", "job", "job-c", "-f", "json", check=1)
    assert json.loads(unknown.stdout)["rows"] == []
    assert 'no job "job-c"' in unknown.err


def test_csv(world):
    text = world("query", "results", "--job", "job-a", "--format", "csv", "--columns", "seed,result,loss,role").stdout
    assert text == (b"seed,result,loss,role\r\n"
                    b",v1/aggs/x,0.1,computed\r\n1,v1/sims/p1/seed_1,,computed\r\n"
                    b"18446744073709551615,v1/sims/p1/seed_2,,failed\r\n9007199254740993,v1/sims/p2/seed_1,,expected\r\n")
    rows = list(csv.DictReader(io.StringIO(world("query", "result", ONE, "--format", "csv").stdout.decode(), newline="")))
    assert rows[0]["params"] == P1
    assert json.loads(rows[0]["reused_by"]) == [{"job_id": "job-b", "at": shown(10)}, {"job_id": "job-ab", "at": shown(20)}]


def test_tsv(world):
    assert world("query", "jobs", "--format", "tsv", "--columns", "job_id,job_type,parents").stdout == (
        b'job_id\tjob_type\tparents\njob-ab\t\t[]\njob-b\t\t[]\njob-a\tcalibration\t["root"]\n')
    assert world("query", "jobs", "--status", "pending", "--format", "tsv", "--columns", "job_id", check=1).stdout == b"job_id\n"


def test_table_in_a_pipe(world):
    text = world("query", "results", "--target", "cases", "--format", "table", "--columns", "result,seed,loss").stdout.decode()
    assert [line.rstrip() for line in text.splitlines()] == [
        "result             seed  loss",
        "v1/aggs/x                 0.1",
        "v1/sims/p9/seed_7     7",
    ]
    assert world("query", "job", "job-a", "--format", "table", "--columns", "job_id,missing,targets").stdout.decode() == (
        "job_id   job-a\nmissing  2\ntargets  alpha\n         cases\n")


def test_sort_limit_and_columns(world):
    def losses(*flags):
        return [tuple(r.values()) for r in world.rows("query", "results", "--columns", "loss,result", *flags)]

    assert losses("--sort", "loss:desc", "--limit", "2") == [(0.1, AGG), (None, ONE)]
    assert [r["seed"] for r in world.rows("query", "results", "--sort", "seed")] == [1, 7, 8, str(2**53 + 1), str(2**64 - 1), None]
    assert [r["seed"] for r in world.rows("query", "results", "--sort", "seed:desc")] == [str(2**64 - 1), str(2**53 + 1), 8, 7, 1, None]
    assert [r["job_id"] for r in world.rows("query", "jobs", "--sort", "computed:desc")] == ["job-b", "job-a", "job-ab"]
    assert [r["job_id"] for r in world.rows("query", "jobs", "--sort", "last_at")] == ["job-a", "job-b", "job-ab"]
    assert sorted(r["result"] for r in world.rows("query", "results", "--sort", "none")) == ALL
    assert len(world.rows("query", "results", "--sort", "none", "--limit", "4")) == 4
    assert world.rows("query", "results", "--limit", "0") == []


def on_a_terminal(world, columns, *arguments):
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen([os.environ.get("PROVMAT") or "build/provmat", "--index", str(world.home / "index"), *arguments], stdout=slave,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**world.provmat.environment, "TERM": "xterm"})
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 65536):
            text += chunk
    except OSError:
        pass # the terminal ends when the program does
    os.close(master)
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    return text.decode().replace("\r\n", "\n").splitlines()


def test_a_terminal_gets_a_table_that_fits(world):
    lines = on_a_terminal(world, 90, "query", "results", "--job", "job-a")
    assert lines[0].split() == ["result", "kind", "role", "at", "param_id", "seed", "target", "loss"]
    assert len(lines) == 5
    assert all(len(line) <= 90 for line in lines)
    assert str(2**64 - 1) in lines[3]
    wide = on_a_terminal(world, 400, "query", "results", "--job", "job-a")
    assert param_id(P1) in wide[2]
    assert shown(2) in wide[2]


def test_a_reader_that_goes_away_ends_it_quietly(world):
    process = world.provmat.start("--index", world.home / "index", "query", "results")
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr.read() == b""
    process.stderr.close()


# ---- how fresh ----
def test_at_least(world):
    last = len(EVENTS) - 1
    assert world.rows("query", "job", "job-b", "--at-least", f"0:{last}") == [JOB_B]
    done = world("query", "job", "job-b", "--at-least", f"0:{last}", "--at-least", f"0:{last + 1}", check=5)
    assert done.stdout == b""
    assert done.err == (f"provmat: the index is behind: partition 0 has been applied up to offset {last}, 0:{last + 1} was asked for; "
                        "next: provmat materialize --once\n")
    assert "nothing of partition 7 has been applied" in world("stats", "--at-least", "7:0", check=5).err


@pytest.fixture
def behind(provmat, local, index):
    """An index of three events whose log holds two more."""
    log, at_ = local(), index()
    provmat.emit(log, EVENTS[:3])
    provmat("materialize", "--once", "--log", log, "--index", at_)
    provmat.emit(log, EVENTS[3:5])
    return log, at_


def test_max_lag(provmat, behind):
    _, at_ = behind
    assert provmat("--index", at_, "query", "job", "job-a", "--max-lag", "2").stdout
    done = provmat("--index", at_, "query", "job", "job-a", "--max-lag", "1", check=5)
    assert done.stdout == b""
    assert done.err == "provmat: the index is 2 records behind the log, more than 1; next: provmat materialize --once\n"


def test_complete_is_no_while_the_index_lags(provmat, behind):
    log, at_ = behind
    assert json.loads(provmat("--index", at_, "query", "jobs", "-f", "json").stdout)["index"] == {"applied": {"0": 3}, "complete": "no"}
    assert provmat.json_rows("--index", at_, "stats")[0]["partitions"] == [{"partition": 0, "first": 0, "applied": 3, "end": 5, "lag": 2}]
    provmat("materialize", "--once", "--log", log, "--index", at_)
    assert json.loads(provmat("--index", at_, "query", "jobs", "-f", "json").stdout)["index"] == {"applied": {"0": 5}, "complete": "yes"}


def test_a_person_is_told_that_the_index_lags(provmat, behind):
    _, at_ = behind
    done = provmat("--index", at_, "query", "jobs", "--format", "table")
    assert done.err == "provmat: the index is 2 records behind the log; next: provmat materialize --once\n"
    assert provmat("--index", at_, "query", "jobs").err == ""


def test_without_its_log(provmat, behind):
    log, at_ = behind
    os.rename(log.removeprefix("local:"), log.removeprefix("local:") + ".away")
    assert json.loads(provmat("--index", at_, "query", "jobs", "-f", "json").stdout)["index"] == {"applied": {"0": 3}, "complete": "unknown"}
    assert provmat.json_rows("--index", at_, "stats")[0]["partitions"] == [{"partition": 0, "first": 0, "applied": 3, "end": None, "lag": None}]
    assert provmat("--index", at_, "query", "jobs", "--max-lag", "10", check=4).stdout == b""


def test_another_log_is_refused_by_name(provmat, behind, local):
    log, at_ = behind
    other = local()
    provmat.emit(other, EVENTS[:1])
    for ask in (["query", "jobs"], ["query", "jobs", "-f", "json"], ["query", "job", "job-a", "--max-lag", "9"], ["stats"]):
        done = provmat("--index", at_, "--log", other, *ask, check=3)
        assert done.stdout == b""
        assert log in done.err
        assert other in done.err
    done = provmat("--index", at_, "--log", "kafka://127.0.0.1:1/topic", "query", "jobs", check=3)
    assert log in done.err
    assert "kafka://127.0.0.1:1/topic" in done.err
    assert provmat("--index", at_, "--log", log, "query", "jobs").stdout
    assert provmat("--index", at_, "--log", "nonsense", "query", "jobs", check=2).stdout == b""


def test_no_index(provmat, index):
    done = provmat("--index", index(), "query", "jobs", check=3)
    assert done.stdout == b""
    assert "provmat materialize" in done.err


# ---- stats ----
def test_stats(world):
    got = world.rows("stats")[0]
    assert list(got)[:16] == ["events", "results", "jobs", "pairs", "computed", "reused", "failed", "expected", "reuse_ratio", "unattributed",
                              "conflicts", "quarantined", "index_bytes", "log", "partitions", "views"]
    n = len(EVENTS)
    want = {"events": n, "results": 6, "jobs": 3, "pairs": 9, "computed": 4, "reused": 3, "failed": 1, "expected": 1, "reuse_ratio": 3 / 7,
            "unattributed": 3, "conflicts": 2, "quarantined": 0, "log": world.log, "partitions": [{"partition": 0, "first": 0, "applied": n, "end": n, "lag": 0}]}
    assert {key: got[key] for key in want} == want
    assert got["index_bytes"] > 0
    assert {tuple(view) for view in got["views"]} == {("name", "version", "rows", "bytes")}
    assert json.loads(world("stats", "--format", "json").stdout) == got


def test_stats_of_nothing_computed(provmat, local, index):
    log, at_ = local(), index()
    provmat.emit(log, EVENTS[:2])
    provmat("materialize", "--once", "--log", log, "--index", at_)
    got = provmat.json_rows("--index", at_, "stats")[0]
    assert (got["reuse_ratio"], got["expected"], got["pairs"], got["unattributed"]) == (None, 3, 3, 3)


def test_stats_as_a_table_is_a_line_a_member(world):
    lines = world("stats", "--format", "table", "--columns", "events,reuse_ratio,partitions").stdout.decode().splitlines()
    assert lines == [f"events       {len(EVENTS)}", f"reuse_ratio  {3 / 7!r}", f"partitions   0 0 {len(EVENTS)} {len(EVENTS)} 0"]
