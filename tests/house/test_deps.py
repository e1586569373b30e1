"""tools/deps: what counts as installed."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = [name for name in subprocess.run([ROOT / "tools/deps", "--packages", "build"], capture_output=True, text=True,
                                             check=True).stdout.split() if name.endswith("-dev")]


def ask(tmp_path, lines):
    """What `deps build` does where dpkg-query prints `lines` and apt-get refuses everything."""
    fakes = {"dpkg-query": "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + "; exit 1", "apt-get": "exit 1", "id": "echo 0"}
    for name, body in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([ROOT / "tools/deps", "build"], capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    return done.returncode, done.stderr


def test_nothing_is_missing(tmp_path):
    assert ask(tmp_path, [f"ii {name}" for name in [*LIBRARIES, "ca-certificates"]]) == (0, "")


@pytest.mark.parametrize("status", ["un", "rc", "iU"])
def test_what_dpkg_only_knows_is_missing(tmp_path, status):
    lines = [f"ii {name}" for name in [*LIBRARIES[1:], "ca-certificates"]] + [f"{status} {LIBRARIES[0]}"]
    code, err = ask(tmp_path, lines)
    assert code == 1 and f"installing with apt-get: {LIBRARIES[0]}\n" in err, err
