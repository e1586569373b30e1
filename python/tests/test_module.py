"""The module as it is built, and what is written down of it a second time: type hints, signatures, help."""

import ast
import inspect
import json
import pathlib
import re
import subprocess

import provmat
import pytest
from conftest import ROOT
from provmat import _native

EVENTS = {"ResultComputed": "_Computed", "ResultDiscovered": "_Discovered", "ResultReused": "_Reused", "ResultsExpected": "_OfJob",
          "ResultDeleted": "_Deleted", "JobSubmitted": "_Submitted"}


def hinted(name):
    """The fields of a TypedDict of the stub, with those that it inherits."""
    stub = ast.parse((pathlib.Path(_native.__file__).parent / "_native.pyi").read_text())
    found = next(node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == name)
    fields = {node.target.id for node in found.body if isinstance(node, ast.AnnAssign)}
    return fields.union(*(hinted(base.id) for base in found.bases if base.id != "TypedDict"))


@pytest.mark.parametrize("event", EVENTS)
def test_hints_and_help_name_every_field(event):
    schema = max(ROOT.glob(f"schemas/{event}.v*.avsc"), key=lambda path: int(path.suffixes[-2][2:]))
    fields = {field["name"] for field in json.loads(schema.read_text())["fields"]} - {"result", "results"}
    assert hinted(EVENTS[event]) == fields
    method = {"ResultsExpected": "expected", "JobSubmitted": "submitted"}.get(event, event.removeprefix("Result").lower())
    words = set(re.findall(r"\w+", getattr(provmat, method).__doc__))
    shared = {"ResultDiscovered": hinted("_Computed"), "ResultDeleted": hinted("_Event")}.get(event, set())
    assert fields - shared <= words


@pytest.mark.parametrize("name", [name for name in provmat.__all__ if callable(getattr(provmat, name))])
def test_everything_has_help(name):
    assert len(getattr(provmat, name).__doc__) > 40
    if not name.endswith("Error"):
        assert "self" not in inspect.signature(getattr(provmat, name)).parameters


def test_only_the_module_itself_is_exported():
    symbols = subprocess.run(["nm", "-D", "--defined-only", _native.__file__], capture_output=True, text=True, check=True).stdout
    assert [line.split()[2] for line in symbols.splitlines()] == ["PyInit__native"]
    assert _native.__file__.endswith(".abi3.so")
    needed = subprocess.run(["readelf", "-d", _native.__file__], capture_output=True, text=True, check=True).stdout
    assert "libpython" not in needed and "libprovmat" not in needed


def test_the_version_is_the_library_s(log):
    assert log.program("--version").split()[1].strip() == provmat.__version__
    assert f'version = "{provmat.__version__}"' in (ROOT / "python/pyproject.toml").read_text()
