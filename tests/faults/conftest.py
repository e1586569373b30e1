"""The fault tests run on the program that was built with planned faults; on any other they are skipped."""

import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from conftest import PROGRAM, ROOT

from faults.scene import Scene

KILLS = int(os.environ.get("PROVMAT_KILLS", "200"))
SEED = int(os.environ.get("PROVMAT_FAULT_SEED", "0"))
POINTS = re.findall(r"^X\((\w+),", (ROOT / "common/base/fault.def").read_text(), re.M)


@pytest.fixture(scope="session", autouse=True)
def planned_faults():
    if PROGRAM.exists() and b"PROVMAT_FAULT" not in PROGRAM.read_bytes():
        pytest.skip(f"{PROGRAM} has no planned faults: make test-faults builds one that has")


@pytest.fixture(scope="session")
def memory():
    """A folder in memory where there is one: a kill leaves the system's cache as it is, so the disk has nothing to add."""
    folder = Path(tempfile.mkdtemp(prefix="provmat-faults-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def scene(provmat, rawlog, memory):
    """Makes scenes with a log and an index of their own."""
    tmp_path = Path(tempfile.mkdtemp(dir=memory))
    numbers = itertools.count()

    def make(seed, count=240):
        number = next(numbers)
        return Scene(provmat, rawlog, f"local:{tmp_path}/scene{number}-log", f"{tmp_path}/scene{number}-index", seed, count)

    yield make
    shutil.rmtree(tmp_path)
