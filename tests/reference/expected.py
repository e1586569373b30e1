"""Compares answers with the expected.json of a real data set, whose answers come from the notes of the driver that made the set and never
from its events. `answers` is anything with the methods of World: the reference itself, or the program behind ProgramAnswers."""

ROLE_KEYS = ("computed", "reused", "failed", "expected")
TYPE_OF = {"computed": "ResultComputed", "discovered": "ResultDiscovered", "reused": "ResultReused", "failed": "ResultFailed"}


def differences(answers, expected, result_sample=None):
    """Yields one line a difference. `result_sample`: the paths whose `query result` is asked (None: all)."""
    yield from _jobs(answers, expected)
    yield from _results(answers, expected, result_sample)
    yield from _conflicts(answers, expected)
    yield from _totals(answers, expected)


def _differ(what, got, want):
    if got != want:
        yield f"{what}: got {got!r}, expected {want!r}"


def _jobs(answers, expected):
    rows = {row["job_id"]: row for row in answers.jobs()}
    yield from _differ("jobs", sorted(rows), sorted(expected["jobs"]))
    for job, want in expected["jobs"].items():
        for key, value in want["row"].items():
            yield from _differ(f"job {job} {key}", rows.get(job, {}).get(key), value)
        pairs = answers.results_of_job(job)
        yield from _differ(f"job {job} pairs", len(pairs), want["n_pairs"])
        for role in ("computed", "reused", "failed"):
            yield from _differ(f"job {job} {role}", [r["result"] for r in answers.results_of_job(job, role=role)], sorted(want[role]))
        yield from _differ(f"job {job} expected only", [r["result"] for r in pairs if r["role"] == "expected"],
                           sorted(want["expected_only"]))
        yield from _differ(f"job {job} missing", [r["result"] for r in answers.results_of_job(job, missing=True)],
                           sorted(want["missing"]))


def _results(answers, expected, result_sample):
    in_log = {path: want for path, want in expected["results"].items() if want["in_log"]}
    rows = {row["result"]: row for row in answers.results()}
    yield from _differ("results", sorted(rows), sorted(in_log))
    for path, want in in_log.items():
        yield from _differ(f"result {path} loss", rows.get(path, {}).get("loss"), want.get("loss"))
    for path in in_log if result_sample is None else result_sample:
        row, want = answers.result(path), in_log[path]
        yield from _differ(f"result {path} kind", row["kind"], want["kind"] if _claimed(row) else row["kind"])
        for role in ROLE_KEYS:
            got = {pair["job_id"]: pair["at"] for pair in row[role + "_by"]}
            yield from _differ(f"result {path} {role}_by", got, {j: r[role] for j, r in want["pairs"].items() if role in r})
        yield from _differ(f"result {path} deleted_at", row["deleted_at"], want["deleted_at"])
    unattributed = [row["result"] for row in answers.results(unattributed=True)]
    yield from _differ("unattributed", unattributed, sorted(expected["unattributed"]["no_job_computed"]))
    for gone in expected["deleted"]:
        got = answers.result(gone["result"])["deleted_at"]
        yield from _differ(f"deleted {gone['result']}", got, gone["deleted_at"] if gone["deleted_now"] else None)


def _claimed(row):
    return row["computed_by"] or row["reused_by"] or row["failed_by"] or row["kind"] is not None


def _conflicts(answers, expected):
    def key(row):
        return row["id"], row["what"]

    got = {key(row): row for row in answers.conflicts() if row["subject"] == "result"}
    want = {key(row): row for row in expected["conflicts"]}
    yield from _differ("conflicts", sorted(got), sorted(want))
    for name in sorted(set(got) & set(want)):
        yield from _differ(f"conflict {name} class", got[name]["class"], want[name]["class"])
        values = [(v["value"], v["type"], v["at"]) for v in got[name]["values"]]
        wanted = [(v["value"], TYPE_OF[v["strongest"]], v["at"]) for v in want[name]["values"]]
        yield from _differ(f"conflict {name} values", values, wanted)


def _totals(answers, expected):
    stats, want = answers.stats(), expected["totals"]
    yield from _differ("jobs", stats["jobs"], want["jobs"])
    yield from _differ("pairs", stats["pairs"], want["pairs"])
    yield from _differ("pairs by role", {role: stats[role] for role in ROLE_KEYS}, want["pairs_by_role"])
    yield from _differ("results", stats["results"], want["results_in_log"])
    yield from _differ("unattributed", stats["unattributed"], want["unattributed"])
    yield from _differ("conflicts", len([r for r in answers.conflicts() if r["subject"] == "result"]), want["conflicts"])
    yield from _differ("reuse_ratio", stats["reuse_ratio"], want["reuse_ratio"])
