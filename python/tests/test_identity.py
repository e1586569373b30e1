"""Identities against those that the real code gave."""

import json
import types

import provmat
import pytest
from conftest import ROOT

GOLDEN = json.loads((ROOT / "tests/data/golden_ids.json").read_text())


def test_golden_param_ids():
    assert len(GOLDEN["param_ids"]) == 62
    for row in GOLDEN["param_ids"]:
        assert provmat.canonical_json(row["params"]) == row["canonical_json"]
        assert provmat.param_id(row["params"]) == row["param_id"]
        assert provmat.param_id(types.MappingProxyType(row["params"])) == row["param_id"]


def test_golden_bundle_digests():
    for task in GOLDEN["sim_tasks"]:
        digest = provmat.bundle_digest(task["bundle_ref"])
        assert task["bundle_ref"].endswith(digest) and digest[:12] == task["bundle12"]


def test_values_are_what_python_says_they_are():
    class Five(int):
        def __str__(self):
            return "five"

    class Half(float):
        __repr__ = __str__ = lambda self: "half"

    assert provmat.canonical_json({"b": -0.0, "a": 2 ** 200, "c": True, "d": 1, "e": 1.0}) == (
        '{"a":%d,"b":-0.0,"c":true,"d":1,"e":1.0}' % 2 ** 200)
    assert provmat.canonical_json({"x": Five(5), "y": Half(0.5)}) == '{"x":5,"y":0.5}'
    assert provmat.canonical_json({"x": "\x00\x1f\"\\\n/\x7f\u00e9\U0001f600"}) == '{"x":"\\u0000\\u001f\\"\\\\\\n/\x7f\u00e9\U0001f600"}'
    ids = {provmat.param_id({"x": value}) for value in (1, 1.0, True, 0.0, -0.0, "1")}
    assert len(ids) == 6
    for value in (5e-324, 1e16, 1e-5, 0.1, 123456789012345680.0, 1.7976931348623157e308):
        assert provmat.canonical_json({"x": value}) == '{"x":%r}' % value


PARAMS = [
    ({"x": float("nan")}, ValueError), ({"x": float("inf")}, ValueError), ({"x": None}, ValueError), ({"x": [1]}, ValueError),
    ({"x": {}}, ValueError), ({"x": b"1"}, TypeError), ({1: 1}, TypeError), ({"x": "\ud800"}, UnicodeError),
    ({"x": 10 ** 5000}, ValueError),
    ([], TypeError), (None, TypeError), ("x", TypeError), ({"x": "y" * (3 << 20)}, ValueError),
]


@pytest.mark.parametrize("params,error", PARAMS, ids=map(str, range(len(PARAMS))))
def test_params_without_an_id(params, error):
    for function in (provmat.param_id, provmat.canonical_json):
        with pytest.raises(error) as raised:
            function(params)
        assert str(raised.value)


@pytest.mark.parametrize("reference,error", [("local://dev", ValueError), ("sha256:" + "A" * 63, ValueError), ("", ValueError),
                                             ("sha256:" + "a" * 64 + "\0", ValueError), (None, TypeError), (b"sha256:", TypeError)])
def test_references_without_a_digest(reference, error):
    with pytest.raises(error):
        provmat.bundle_digest(reference)
