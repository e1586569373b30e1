"""Every input of the fuzz corpora through its target, built like the rest (no libFuzzer needed)."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["PROVMAT"]).resolve().parent
TARGETS = sorted(path.stem for path in HERE.glob("*.c"))


def test_every_target_has_a_corpus():
    assert TARGETS
    assert sorted(path.name for path in (HERE / "corpus").iterdir()) == TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target):
    inputs = [path for path in (HERE / "corpus" / target).iterdir() if not path.name.startswith(".")]
    assert inputs
    done = subprocess.run([BUILD / "tests/fuzz" / target, HERE / "corpus" / target], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"{len(inputs)} inputs"
