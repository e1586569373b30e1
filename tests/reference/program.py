"""The program behind the same methods as World: each method runs one query and gives its rows, numbers exact.

A number is kept as its text until its field says what it is: `loss` and `reuse_ratio` are doubles, whose text must be as short as the
shortest one that reads back; everywhere else the text itself counts (1 and 1.0 are two values).
"""

import json

from .events import canonical, time_text


class Number(str):
    """The text of a JSON number."""


class WrongText(AssertionError):
    """A number is right in value and wrong in its text."""


def double(value):
    if not isinstance(value, Number):
        return value
    number = float(value)
    if len(value) > len(repr(number)):
        raise WrongText(f"{value} is longer than the shortest text {number!r}")
    return number


def plain(value):
    if isinstance(value, Number):
        number = float(value) if any(ch in value for ch in ".eE") else int(value)
        if canonical(number) != value:
            raise WrongText(f"{value} should be {canonical(number)}")
        return number
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def row_of(row):
    if row.get("what") == "loss":
        row["values"] = [{**item, "value": double(item["value"])} for item in row["values"]]
    return {key: double(value) if key in ("loss", "reuse_ratio") else plain(value) if key != "values" or row["what"] != "loss" else
            [{k: v if k == "value" else plain(v) for k, v in item.items()} for item in value] for key, value in row.items()}


def no_duplicates(pairs):
    row = dict(pairs)
    if len(row) != len(pairs):
        raise AssertionError(f"a key stands twice in {pairs}")
    return row


def parse(line):
    return row_of(json.loads(line, parse_int=Number, parse_float=Number, object_pairs_hook=no_duplicates))


class ProgramAnswers:
    def __init__(self, provmat, index):
        self.provmat, self.index = provmat, str(index)

    def rows(self, *arguments):
        done = self.provmat("--index", self.index, *arguments, check=(0, 1))
        rows = [parse(line) for line in done.stdout.decode().split("\n")[:-1]]
        return rows

    def one(self, *arguments):
        rows = self.rows(*arguments)
        assert len(rows) == 1, (arguments, rows)
        return rows[0]

    def job(self, job):
        return self.one("query", "job", job)

    def jobs(self, bundle=None, status=None, since=None, until=None):
        arguments = flags(bundle=bundle, status=status, since=None if since is None else time_text(since),
                          until=None if until is None else time_text(until))
        return self.rows("query", "jobs", *arguments)

    def jobs_of(self, path):
        return self.rows("query", "jobs", "--result", path)

    def results_of_job(self, job, role=None, kind=None, missing=False, params=()):
        return self.rows("query", "results", "--job", job, *flags(role=role, kind=kind, missing=missing), *param_flags(params))

    def results(self, bundle=None, target=None, unattributed=False, path_prefix="", params=(), kind=None):
        arguments = [*flags(bundle=bundle, target=target, unattributed=unattributed, kind=kind), *param_flags(params)]
        if path_prefix or not arguments:  # an empty prefix asks for all results
            arguments += ["--path-prefix", path_prefix]
        return self.rows("query", "results", *arguments)

    def result(self, path):
        return self.one("query", "result", path)

    def conflicts(self, class_=None):
        return self.rows("query", "conflicts", *([] if class_ is None else ["--class", class_]))

    def stats(self):
        return self.one("stats")

    def verify(self):
        return self.rows("verify")


def flags(**values):
    out = []
    for key, value in values.items():
        if value is not None and value is not False:
            out += ["--" + key.replace("_", "-")] + ([] if value is True else [value])
    return out


def param_flags(params):
    return [text for name, value in params for text in ("--param", f"{name}={value}")]
