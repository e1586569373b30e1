"""Holds a program's answers against the reference's, query by query; the first difference comes as a short text."""

import random
from concurrent.futures import ThreadPoolExecutor

from .events import canonical
from .world import ROLES


def project(row, like):
    return {key: row.get(key, "(no such key)") for key in like}


def row_key(row):
    return canonical([row.get(key) for key in ("subject", "result", "id", "job_id", "what")])


def rows_differ(got, want, ordered=True):
    """None, or a text with what differs."""
    got_by, want_by = {row_key(r): r for r in got}, {row_key(r): r for r in want}
    lines = [f"  only in the answer: {canonical(row)}" for key, row in got_by.items() if key not in want_by]
    lines += [f"  not in the answer:  {canonical(row)}" for key, row in want_by.items() if key not in got_by]
    for key, row in want_by.items():
        have = got_by.get(key)
        if have is None:
            continue
        have = project(have, row)
        lines += [f"  {key} {field}: got {canonical(have[field])}, reference {canonical(row[field])}"
                  for field in row if canonical(have[field]) != canonical(row[field])]
    if len(got) != len(got_by):
        lines.append(f"  {len(got)} rows, {len(got_by)} distinct")
    if not lines and ordered and [row_key(r) for r in got] != [row_key(r) for r in want]:
        lines.append(f"  the order differs: got {[row_key(r) for r in got][:8]}, reference {[row_key(r) for r in want][:8]}")
    return "\n".join(lines[:12]) or None


def every_query(world, rng, per_item):
    """Yields (text of the query, what both sides are asked, whether the order counts). `per_item`: how many jobs and results are asked
    one by one (None: all of them)."""
    yield "jobs", lambda a: a.jobs(), True
    yield "results", lambda a: a.results(), True
    yield "conflicts", lambda a: a.conflicts(), False
    yield "stats", lambda a: [a.stats()], True
    yield "unattributed", lambda a: a.results(unattributed=True), True

    def some(values):
        values = sorted(values)
        return values if per_item is None or len(values) <= per_item else rng.sample(values, per_item)

    for path in some(world.of_result):
        yield f"result {path}", lambda a, path=path: [a.result(path)], True
        yield f"jobs --result {path}", lambda a, path=path: a.jobs_of(path), False
    for job in some(world.of_job):
        yield f"job {job}", lambda a, job=job: [a.job(job)], True
        yield f"results --job {job}", lambda a, job=job: a.results_of_job(job), True
        yield f"results --job {job} --missing", lambda a, job=job: a.results_of_job(job, missing=True), True
    if per_item is not None:
        return
    yield from every_filter(world, rng)


def every_filter(world, rng):
    for job in sorted(world.of_job):
        for role in ROLES:
            yield f"results --job {job} --role {role}", lambda a, j=job, r=role: a.results_of_job(j, role=r), True
        for kind in ("sim", "agg"):
            yield f"results --job {job} --kind {kind}", lambda a, j=job, k=kind: a.results_of_job(j, kind=k), True
    for class_ in ("nondeterminism", "false_hit", "collision"):
        yield f"conflicts --class {class_}", lambda a, c=class_: a.conflicts(c), False
    digests = sorted({f["bundle_digest"] for f in world.facts.values() if "bundle_digest" in f} | {"a" * 64, "f" * 64})
    for digest in digests:
        for bundle in (digest, digest[:6], "sha256:" + digest[:rng.randint(6, 64)]):
            yield f"results --bundle {bundle}", lambda a, b=bundle: a.results(bundle=b), True
            yield f"jobs --bundle {bundle}", lambda a, b=bundle: a.jobs(bundle=b), True
    for status in ("pending", "running", "succeeded", "partial", "failed", "cancelled"):
        yield f"jobs --status {status}", lambda a, s=status: a.jobs(status=s), True
    firsts = sorted({events[0]["occurred_at"] for events in world.of_job.values()})
    for at in rng.sample(firsts, min(3, len(firsts))):
        yield f"jobs --since {at}", lambda a, t=at: a.jobs(since=t), True
        yield f"jobs --until {at}", lambda a, t=at: a.jobs(until=t), True
        yield f"jobs --since {at} --until {at + 1}", lambda a, t=at: a.jobs(since=t, until=t + 1), True
    for target in sorted({f["target"] for f in world.facts.values() if "target" in f}):
        yield f"results --target {target}", lambda a, t=target: a.results(target=t), True
    for prefix in ("token/", "a/b", "a/b/", "größe/日", "wide/3", "nothing"):
        yield f"results --path-prefix {prefix}", lambda a, p=prefix: a.results(path_prefix=p), True
        yield f"results --path-prefix {prefix} --unattributed", lambda a, p=prefix: a.results(path_prefix=p, unattributed=True), True
    params = sorted({(name, canonical(value)) for f in world.facts.values() for name, value in f.get("params", {}).items() if name})
    for name, value in params + [("x", "2"), ("x", "false"), ("nowhere", "1")]:
        yield f"results --param {name}={value}", lambda a, p=[(name, value)]: a.results(params=p), True
    pairs = [tuple((name, canonical(value)) for name,
                   value in f["params"].items() if name) for f in world.facts.values() if f.get("params")]
    for pair in pairs[:2]:
        yield f"results --param {pair}", lambda a, p=pair: a.results(params=p), True
        for job in sorted(world.of_job)[:2]:
            yield f"results --job {job} --param {pair}", lambda a, j=job, p=pair: a.results_of_job(j, params=p), True


def hold(program, world, records, seed, where, per_item=None, threads=2):
    """Raises AssertionError naming seed, place and query with the first differences. Returns how many queries were compared."""
    rng = random.Random(f"queries {seed}")
    queries = list(every_query(world, rng, per_item))

    def ask(query):
        name, call, ordered = query
        want = call(world)
        if name == "stats":
            want[0]["events"] = records
        return name, rows_differ(call(program), want, ordered)

    with ThreadPoolExecutor(threads) as pool:
        for name, difference in pool.map(ask, queries):
            assert difference is None, f"seed {seed}, {where}, `{name}`:\n{difference}"
    return len(queries)
