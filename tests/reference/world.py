"""Every answer of the contract, computed from the set of events with dictionaries and sorting, and with nothing clever.

World(events) takes normalised events (events.py). Each method is one query and returns rows as the program prints them
(numbers as numbers, times as text), in the order that the contract gives.
"""

from .events import RESULT_EVENTS, canonical, seed_json, time_text

ROLE_OF = {"ResultComputed": "computed", "ResultReused": "reused", "ResultFailed": "failed"}
ROLES = ("computed", "reused", "failed", "expected")  # strongest first
TERMINAL = ("succeeded", "partial", "failed", "cancelled")
IDENTITY = ("kind", "schema", "schema_version", "bundle_digest", "model_digest", "entrypoint", "param_id", "seed", "target",
            "target_digest", "aggregation_id")
NONDETERMINISM = ("loss", "n_replicates")
JOB_FIELDS = ("job_type", "bundle_ref", "bundle_digest", "entrypoint", "targets", "parents", "definition_hash", "input_hash",
              "inputs", "provider_id", "provider_model", "user", "rerun_of", "metadata")


def when(event):
    """The order "earlier" of the contract."""
    return event["occurred_at"], event["event_id"]


def strength(event):
    return RESULT_EVENTS.index(event["type"])


def same(value):
    """A text that is equal for equal values only: 0.0 and -0.0 differ, 1 and 1.0 differ."""
    return canonical(value)


def text_or_none(us):
    return None if us is None else time_text(us)


def conflict_rows(subject, name, claims, field_values, class_of):
    """One row a field with two values. `claims` are events, strongest first; field_values(event) yields (field, value)."""
    fields = {}
    for event in claims:
        for field, value in field_values(event):
            fields.setdefault(field, {}).setdefault(same(value), (value, event))  # the first to carry it
    rows = []
    for field, values in fields.items():
        if len(values) < 2:
            continue
        rows.append({
            "subject": subject, "id": name, "class": class_of(field, [event for _, event in values.values()]), "what": field,
            "values": [{"value": value, "type": event["type"], "job_id": event.get("job_id"), "at": time_text(event["occurred_at"])}
                       for value, event in values.values()],
        })
    return sorted(rows, key=lambda row: row["what"])


class World:
    def __init__(self, events):
        unique = {event["event_id"]: event for event in events}
        self.events = sorted(unique.values(), key=when)
        self.of_result, self.of_job, self.roles = {}, {}, {}
        for event in self.events:
            paths = event["results"] if event["type"] == "ResultsExpected" else [event["result"]] if "result" in event else []
            role = "expected" if event["type"] == "ResultsExpected" else ROLE_OF.get(event["type"])
            for path in paths:
                self.of_result.setdefault(path, []).append(event)
                if role:
                    roles = self.roles.setdefault((event["job_id"], path), {})
                    roles[role] = min(roles.get(role, event["occurred_at"]), event["occurred_at"])
            if "job_id" in event:
                self.of_job.setdefault(event["job_id"], []).append(event)
        self.facts = {path: self._facts(path) for path in self.of_result}
        self.conflict_list = [row for path in sorted(self.of_result) for row in self._result_conflicts(path)]
        self.conflict_list += [row for job in sorted(self.of_job) for row in self._job_conflicts(job)]

    # ---- pairs ----
    def shown(self, job, path):
        return next(role for role in ROLES if role in self.roles[job, path])

    def missing(self, job, path):
        return "expected" in self.roles[job, path] and self.shown(job, path) in ("expected", "failed")

    def pairs_of_job(self, job):
        return sorted(path for (j, path) in self.roles if j == job)

    def jobs_of_result(self, path):
        return sorted(job for (job, p) in self.roles if p == path)

    # ---- facts of a result ----
    def _claims(self, path):
        return sorted((e for e in self.of_result[path] if e["type"] in RESULT_EVENTS), key=lambda e: (strength(e), *when(e)))

    def _facts(self, path):
        facts = {}
        for event in self._claims(path):
            for field in (*IDENTITY, *NONDETERMINISM, "params", "outputs"):
                if field in event:
                    facts.setdefault(field, event[field])
        return facts

    def _result_conflicts(self, path):
        def values(event):
            for field in (*IDENTITY, *NONDETERMINISM):
                if field in event:
                    yield field, seed_json(event[field]) if field == "seed" else event[field]
            for output in event.get("outputs", []):
                yield "output:" + output["name"], output["checksum"]

        def class_of(field, carriers):
            if field not in IDENTITY:
                return "nondeterminism"
            never = any(event["type"] not in ("ResultComputed", "ResultDiscovered") for event in carriers)
            return "false_hit" if never else "collision"

        return conflict_rows("result", path, self._claims(path), values, class_of)

    def attributed(self, path):
        return any("computed" in self.roles[job, path] for job in self.jobs_of_result(path))

    def deleted_at(self, path):
        life = [e for e in self.of_result[path] if e["type"] in ("ResultComputed", "ResultDiscovered", "ResultDeleted")]
        return life[-1]["occurred_at"] if life and life[-1]["type"] == "ResultDeleted" else None

    # ---- jobs ----
    def _job_conflicts(self, job):
        submitted = [e for e in self.of_job[job] if e["type"] == "JobSubmitted"]
        return conflict_rows("job", job, submitted, lambda e: ((f, e[f]) for f in JOB_FIELDS if f in e), lambda f, c: "collision")

    def job_fact(self, job, field):
        return next((e[field] for e in self.of_job[job] if e["type"] == "JobSubmitted" and field in e), None)

    def status(self, job):
        changes = [e["status"] for e in self.of_job[job] if e["type"] == "JobStatusChanged"]
        terminal = [s for s in changes if s in TERMINAL]
        return terminal[0] if terminal else changes[-1] if changes else None

    def job(self, job):
        events = self.of_job[job]
        pairs = self.pairs_of_job(job)
        shown = [self.shown(job, path) for path in pairs]
        carriers = [e for e in events if e["type"] == "JobSubmitted" or e["type"] in RESULT_EVENTS]
        targets = {t for e in carriers for t in e.get("targets", [])} | {e["target"] for e in carriers if "target" in e}
        return {
            "job_id": job, "job_type": self.job_fact(job, "job_type"), "status": self.status(job),
            "computed": shown.count("computed"), "reused": shown.count("reused"), "failed": shown.count("failed"),
            "expected": sum("expected" in self.roles[job, path] for path in pairs),
            "missing": sum(self.missing(job, path) for path in pairs),
            "first_at": time_text(events[0]["occurred_at"]), "last_at": time_text(events[-1]["occurred_at"]),
            "bundle_digests": sorted({e["bundle_digest"] for e in carriers if "bundle_digest" in e}),
            "targets": sorted(targets), "parents": self.job_fact(job, "parents") or [],
        }

    def jobs(self, bundle=None, status=None, since=None, until=None):
        rows = []
        for job in sorted(self.of_job):
            row, first = self.job(job), self.of_job[job][0]["occurred_at"]
            if bundle is not None and not any(d.startswith(bundle.removeprefix("sha256:")) for d in row["bundle_digests"]):
                continue
            if status is not None and row["status"] != status:
                continue
            if since is not None and first < since or until is not None and first >= until:
                continue
            rows.append((-first, row))
        return [row for _, row in sorted(rows, key=lambda pair: (pair[0], pair[1]["job_id"]))]

    def jobs_of(self, path):
        rows = []
        for job in self.jobs_of_result(path):
            role = self.shown(job, path)
            rows.append({"job_id": job, "role": role, "at": time_text(self.roles[job, path][role])})
        return rows

    # ---- results ----
    def _fact_row(self, path, *fields):
        facts = self.facts[path]
        return {field: seed_json(facts.get(field)) if field == "seed" else facts.get(field) for field in fields}

    def _has_params(self, path, params):
        have = self.facts[path].get("params", {})
        return all(name in have and canonical(have[name]) == text for name, text in params)

    def results_of_job(self, job, role=None, kind=None, missing=False, params=()):
        rows = []
        for path in self.pairs_of_job(job):
            shown = self.shown(job, path)
            if role is not None and shown != role or missing and not self.missing(job, path):
                continue
            if kind is not None and self.facts[path].get("kind") != kind or not self._has_params(path, params):
                continue
            row = {"result": path, "role": shown, "at": time_text(self.roles[job, path][shown])}
            rows.append({**row, **self._fact_row(path, "kind", "param_id", "seed", "target", "loss")})
        return rows

    def results(self, bundle=None, target=None, unattributed=False, path_prefix="", params=(), kind=None):
        rows = []
        for path in sorted(self.of_result):
            facts = self.facts[path]
            if bundle is not None and not facts.get("bundle_digest", "").startswith(bundle.removeprefix("sha256:")):
                continue
            if target is not None and facts.get("target") != target or kind is not None and facts.get("kind") != kind:
                continue
            if unattributed and self.attributed(path) or not path.startswith(path_prefix) or not self._has_params(path, params):
                continue
            rows.append({"result": path, **self._fact_row(path, "kind", "param_id", "seed", "target", "loss")})
        return rows

    def result(self, path):
        def by(role):
            ats = sorted((self.roles[job, path][role], job) for job in self.jobs_of_result(path) if role in self.roles[job, path])
            return [{"job_id": job, "at": time_text(at)} for at, job in ats]

        pairs = [self.roles[job, path] for job in self.jobs_of_result(path)]
        computed = [roles["computed"] for roles in pairs if "computed" in roles]
        return {
            "result": path, **self._fact_row(path, *IDENTITY, "params", "loss", "n_replicates", "outputs"),
            **{role + "_by": by(role) for role in ROLES},
            "first_computed_at": text_or_none(min(computed, default=None)),
            "last_used_at": text_or_none(max((at for roles in pairs for at in roles.values()), default=None)),
            "attributed": self.attributed(path), "deleted_at": text_or_none(self.deleted_at(path)),
            "conflicts": sum(row["subject"] == "result" and row["id"] == path for row in self.conflict_list),
        }

    # ---- the whole ----
    def conflicts(self, class_=None):
        return [row for row in self.conflict_list if class_ is None or row["class"] == class_]

    def stats(self):
        """Without `events`, which counts records and not the set."""
        shown = [self.shown(job, path) for job, path in self.roles]
        counts = {role: shown.count(role) for role in ROLES}
        used = counts["computed"] + counts["reused"]
        return {
            "results": len(self.of_result), "jobs": len(self.of_job), "pairs": len(self.roles), **counts,
            "reuse_ratio": counts["reused"] / used if used else None,
            "unattributed": sum(not self.attributed(path) for path in self.of_result),
            "conflicts": len(self.conflict_list),
        }

    def replay(self, until=None):
        return [event for event in self.events if until is None or event["occurred_at"] <= until]
