"""What the tests of the package share: the program that reads what was said, scratch logs, the log records of "provmat".

  PROVMAT   the program (default build/provmat)
"""

import json
import logging
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("PROVMAT", ROOT / "build/provmat")).resolve()
VARIABLES = ("PROVMAT_LOG", "PROVMAT_JOB_ID", "PROVMAT_WORKER", "PROVMAT_OUTBOX", "MODELOPS_JOB_ID")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


class Log:
    """An embedded log and what the program says about it."""

    def __init__(self, folder):
        self.folder = folder
        self.url = f"local:{folder}/log"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PROVMAT")}
        self.environment["XDG_CONFIG_HOME"] = str(folder)

    def program(self, *arguments, input=None):
        done = subprocess.run([PROGRAM, *arguments], input=input, capture_output=True, text=True, env=self.environment, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def events(self, url=None):
        """The events of the log as `emit` reads them, without the places they have there."""
        url = url or self.url
        if not url.startswith("kafka:") and not pathlib.Path(url.removeprefix("local:")).exists():
            return []  # nobody has said anything yet
        lines = self.program("replay", "--log", url).splitlines()
        return [{name: value for name, value in json.loads(line).items() if name[0] != "_"} for line in lines]

    def rows(self, *query):
        index = self.folder / "index"
        self.program("materialize", "--once", "--log", self.url, "--index", index)
        return [json.loads(line) for line in self.program("query", *query, "--index", index, "-f", "ndjson").splitlines()]

    def emitted(self, lines):
        """The events that `emit` makes of the lines."""
        url = f"local:{self.folder}/emitted"
        self.program("emit", "--log", url, input="".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        return self.events(url)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


@pytest.fixture
def said(caplog):
    """The texts that the logger "provmat" got, with their levels."""
    caplog.set_level(logging.INFO, "provmat")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "provmat"]


@pytest.fixture
def python(tmp_path):
    """Runs a script in a process of its own; gives (exit code, stdout, stderr)."""
    def run(script, *arguments, **environment):
        path = tmp_path / "script.py"
        path.write_text(script)
        done = subprocess.run([sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path, check=False,
                              env={**os.environ, **environment}, timeout=60)
        return done.returncode, done.stdout, done.stderr
    return run
