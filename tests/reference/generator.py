"""Small random worlds with every rule of the contract in them: world(seed) gives event lines (dictionaries as `emit` reads them).

Times come from a few values, so ties are common; every result has a true identity from which single events stray; one world in eight is
wide, so that a job has more pairs than one chunk of the index holds.
"""

import random

from .events import param_id, time_text

START = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z
DIGESTS = [ch * 64 for ch in "ab"] + ["abcdef" + "0" * 58, "0123456789abcdef" * 4]
PARAMS = [{}, {"x": 1}, {"x": 1.0}, {"x": True}, {"x": "1"}, {"beta": 0.5, "n": 1}, {"n": 1, "beta": 0.1 + 0.2, "on": False},
          {"s": "quote \" back \\ line\n tab\t \x01 \x7f"}, {"größe": "µ日本", "😀": -1}, {"big": 2 ** 70, "neg": -(2 ** 63)},
          {"a": 1e16, "b": 1e-7, "c": 5e-324, "d": -0.0, "e": 1e22, "f": 123456789012345680.0, "g": 0.0001}, {"gamma": "word"},
          {"x": 9007199254740993}, {"x": 1.7976931348623157e308}, {"": "", "empty": ""}]
LOSSES = [0.0, -0.0, 1.5, 0.1 + 0.2, 1e300, 5e-324, -3.25, 1e16, 1e15, 123456789.0, 3, -7, 1 / 3, 1e-5, 0.0001, 4245068.166666667]
SEEDS = [0, 1, 42, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1]
TARGETS = ["targets.prevalence:main", "targets.outbreak:size", "targets/ünï code", "t"]
WORDS = ["one", "two", "drei µ", "", "with \"quotes\", and, commas", "tab\tand\nline"]
STATUSES = ["pending", "running", "succeeded", "partial", "failed", "cancelled"]
OBJECTS = [{}, {"a": 1}, {"a": 1, "b": ["x", None, True]}, {"deep": {"k": "v µ"}}, {"a": 2}]
JOB_NAMES = ["job-1", "job-10", "job-2", "Job_A", "Job_B", "müller/run 7", "j", "x" * 256, "0", "job,with \"csv\""]
PATH_NAMES = ["token/v1/sims/aaaa/e7/8d/params_66157bd2/seed_42", "token/v1/sims/aaaa/e7/8d/params_66157bd2/seed_421", "a", "a/b", "a/bc",
              "a/b/c", "token/v1/aggs/aaaa/target_t/agg_1", "token/v1/aggs/aaaa/target_t/agg_2", "größe/日本/😀", "with space/and,comma",
              "p/" + "x" * 1022, "...", "a/..b", "quote\"/back\\slash", "Z/upper", "token/v1/sims/bbbb/seed_1"]
RESULT_FIELDS = ("result", "kind", "schema", "schema_version", "bundle_ref", "bundle_digest", "model_digest", "entrypoint", "param_id", "params",
                 "seed", "target", "target_digest", "aggregation_id")
TWIN_FIELDS = (RESULT_FIELDS, (*RESULT_FIELDS, "loss", "n_replicates", "outputs"))  # of a failure, of the others


class Generator:
    def __init__(self, seed):
        self.random = random.Random(f"provmat world {seed}")
        self.wide = seed % 8 == 7
        self.jobs = self.random.sample(JOB_NAMES, self.random.randint(2, 7))
        self.paths = self.random.sample(PATH_NAMES, self.random.randint(3, 12))
        if self.wide:
            self.paths += [f"wide/{i % 7}/seed_{i}" for i in range(self.random.randint(600, 1100))]
        self.times = [START + self.random.choice((0, 1, 999_999, 10 ** 6, 3_600_000_000)) + self.random.randrange(3) * 60_000_000
                      for _ in range(self.random.randint(2, 9))]
        self.with_ids = self.random.random() < 0.6
        self.stray = self.random.choice((0.0, 0.03, 0.15))
        self.truth = {path: self._identity(path) for path in self.paths}

    def chance(self, p):
        return self.random.random() < p

    def pick(self, values):
        return self.random.choice(values)

    # ---- parts ----
    def _identity(self, path):
        r = self.random
        params = self.pick(PARAMS)
        return {
            "kind": self.pick(("sim", "agg")), "schema": self.pick(("token", "bundle")), "schema_version": r.randint(0, 2),
            "bundle_digest": self.pick(DIGESTS), "model_digest": "sha256:" + self.pick(DIGESTS), "entrypoint": self.pick(("m/a", "m/b")),
            "params": params, "seed": self.pick(SEEDS), "target": self.pick(TARGETS), "target_digest": self.pick(WORDS[:3]),
            "aggregation_id": f"{r.randrange(3):x}", "loss": self.pick(LOSSES), "n_replicates": r.randint(1, 3),
        }

    def _time(self):
        us = self.pick(self.times)
        how = self.random.randrange(4)
        if how == 0:
            return us
        if how == 1:  # the same instant, two hours east
            return time_text(us + 7_200_000_000)[:-1] + "+02:00"
        if how == 2 and us % 1_000_000 == 0:
            return time_text(us)[:-8] + "Z"
        return time_text(us)

    def _common(self, type_, job=True):
        event = {"type": type_}
        if job:
            event["job_id"] = self.pick(self.jobs)
        event["occurred_at"] = self._time()
        if self.with_ids:
            event["event_id"] = f"{self.random.getrandbits(128):032x}"
        if self.chance(0.2):
            event["worker"] = self.pick(WORDS)
        return event

    def _bundle(self, event, digest):
        how = self.random.randrange(4)
        if how in (0, 2):
            event["bundle_ref"] = self.pick(("", "registry:5000/repo@", "other@")) + "sha256:" + digest
        if how in (1, 2):
            event["bundle_digest"] = self.pick(("", "sha256:")) + digest

    def _result_fields(self, path):
        truth, other = self.truth[path], self.truth[self.pick(self.paths[:8])]
        facts = {key: (other if self.chance(self.stray) else truth)[key] for key in truth}
        fields = {"result": path, "kind": facts["kind"]}
        density = self.pick((0.3, 0.7, 1.0))
        for key in ("schema", "schema_version", "model_digest", "entrypoint", "target", "target_digest", "aggregation_id"):
            if self.chance(density):
                fields[key] = facts[key]
        if self.chance(density):
            self._bundle(fields, facts["bundle_digest"])
        if self.chance(density):
            fields["seed"] = self.pick((int, str))(facts["seed"])
        if self.chance(density):
            how = self.random.randrange(3)
            if how != 0:
                fields["params"] = facts["params"]
            if how != 1:
                fields["param_id"] = param_id(facts["params"])
        return fields

    def _measured(self, path):
        truth, other = self.truth[path], self.truth[self.pick(self.paths[:8])]
        fields = {}
        for key in ("loss", "n_replicates"):
            if self.chance(0.6):
                fields[key] = (other if self.chance(self.stray) else truth)[key]
        if self.chance(0.5):
            names = self.random.sample(["a", "b", "ünï", "metadata"], self.random.randint(0, 3))
            fields["outputs"] = [{"name": name, "size": self.random.choice((0, 7, 2 ** 40)),
                                  "checksum": "c2" if self.chance(self.stray) else "c1 " + name} for name in names]
        return fields

    def _found(self, path):
        fields = self._measured(path)
        extra = {"task_id": "t", "inputs": ["only/as/input", *self.random.sample(self.paths, 1)], "input_task_ids": ["i", ""],
                 "replicate_losses": [1, 2.5, -0.0], "diagnostics": {"k": [1, {"n": 1.5}]}, "duration_us": 12, "env_digest": "e"}
        fields.update({key: value for key, value in extra.items() if self.chance(0.2)})
        return fields

    # ---- events ----
    def event(self):
        path = self.pick(self.paths)
        type_ = self.random.choices(("ResultComputed", "ResultReused", "ResultFailed", "ResultsExpected", "ResultDiscovered",
                                     "ResultDeleted",
                                     "JobSubmitted", "JobStatusChanged"), (8, 8, 3, 2, 2, 2, 2, 3))[0]
        return getattr(self, "_" + type_)(path)

    def twin(self, event):
        """Another event that says the same of the same result: another job, time, perhaps type. Most real events are such."""
        type_ = self.pick(("ResultComputed", "ResultReused", "ResultReused", "ResultFailed", "ResultDiscovered", event["type"]))
        kept = {key: value for key, value in event.items() if key in TWIN_FIELDS[type_ != "ResultFailed"]}
        other = {**self._common(type_, job=type_ != "ResultDiscovered"), **kept}
        if type_ == "ResultFailed":
            other["error"] = {"type": "E", "message": "", "retryable": True}
        return other

    def _ResultComputed(self, path):
        return {**self._common("ResultComputed"), **self._result_fields(path), **self._found(path)}

    def _ResultDiscovered(self, path):
        return {**self._common("ResultDiscovered", job=False), **self._result_fields(path), **self._found(path)}

    def _ResultReused(self, path):
        event = {**self._common("ResultReused"), **self._result_fields(path), **self._measured(path)}
        if self.chance(0.5):
            event["source"] = self.pick(("local", "remote", "scheduler", "job"))
        if self.chance(0.5):
            event["stored_at"] = self._time()
        return event

    def _ResultFailed(self, path):
        error = {"type": "ValueError", "message": self.pick(WORDS), "retryable": self.chance(0.5)}
        return {**self._common("ResultFailed"), **self._result_fields(path), "error": error}

    def _ResultsExpected(self, path):
        some = self.random.sample(self.paths, self.random.randint(1, min(len(self.paths), 997)))
        if self.chance(0.3):
            some += ["only/expected"]
        if self.chance(0.2):
            some += some[:1]
        return {**self._common("ResultsExpected"), "results": some}

    def _ResultDeleted(self, path):
        event = {**self._common("ResultDeleted", job=self.chance(0.4)), "result": "only/deleted" if self.chance(0.1) else path}
        if self.chance(0.5):
            event["reason"] = self.pick(WORDS)
        return event

    def _JobSubmitted(self, path):
        event = self._common("JobSubmitted")
        texts = {"job_type": ("simulation", "calibration"), "definition_hash": WORDS, "input_hash": WORDS, "provider_id": WORDS,
                 "provider_model": WORDS, "user": WORDS, "rerun_of": JOB_NAMES, "entrypoint": ("m/a", "m/b")}
        for key, values in texts.items():
            if self.chance(0.4):
                event[key] = self.pick(values) or "-"
        for key, values in {"inputs": OBJECTS, "metadata": OBJECTS}.items():
            if self.chance(0.4):
                event[key] = self.pick(values)
        if self.chance(0.5):
            event["targets"] = self.random.sample(TARGETS, self.random.randint(0, 3))
        if self.chance(0.5):
            event["parents"] = self.random.sample(JOB_NAMES, self.random.randint(0, 2))
        if self.chance(0.5):
            self._bundle(event, self.pick(DIGESTS))
        if self.chance(0.3):
            event["user"] = None
        return event

    def _JobStatusChanged(self, path):
        event = {**self._common("JobStatusChanged"), "status": self.pick(STATUSES)}
        if self.chance(0.3):
            event["error"] = self.pick(WORDS)
        if self.chance(0.3):
            event["duration_us"] = self.random.randrange(10 ** 12)
        return event


def world(seed):
    """Event lines of one world; the same seed gives the same lines."""
    generator = Generator(seed)
    events = []
    for _ in range(generator.random.randint(10, 90)):
        known = [event for event in events if "kind" in event]
        events.append(generator.twin(generator.pick(known)) if known and generator.chance(0.3) else generator.event())
    if generator.wide:
        for path in generator.paths:
            if generator.chance(0.7):
                events.append(generator._ResultComputed(path) if generator.chance(0.6) else generator._ResultReused(path))
                if generator.chance(0.7):
                    events[-1]["job_id"] = generator.jobs[0]
    unique = {}  # two lines that differ in nothing are one event already; two events never share an explicit id
    for event in events:
        unique.setdefault(event.get("event_id", repr(event)), event)
    return list(unique.values())


def large_world(seed, n_events=6000, n_paths=1800, n_jobs=9):
    """A world with jobs of a thousand pairs and results of many jobs; few distinct times."""
    generator = Generator(seed)
    generator.jobs = [f"job {n}" for n in range(n_jobs)]
    generator.paths = [f"large/{n % 13}/{n:x}" for n in range(n_paths)]
    generator.truth = {path: generator._identity(path) for path in generator.paths}
    generator.with_ids = True
    generator.stray = 0.02
    makers = (generator._ResultComputed, generator._ResultReused, generator._ResultReused, generator._ResultFailed, generator._ResultDiscovered)
    events = []
    for number in range(n_events):
        again = number and generator.chance(0.5)
        events.append(generator.twin(generator.pick(events)) if again else generator.pick(makers)(generator.pick(generator.paths)))
    return events + [generator.event() for _ in range(n_events // 100)]
