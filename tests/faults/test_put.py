"""`provmat store put` killed and failed at its points: a result is in its place whole or not at all."""

import signal

import pytest

from conftest import Provmat
from faults.conftest import POINTS

REF = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
IDENTITY = ("--job", "job-1", "--params", "{}", "--set", "seed=1", "--set", "entrypoint=m", "--set", f"bundle_ref={REF}")


@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("put_") and point != "put_exchange"])
def test_put(tmp_path, point, action):
    provmat = Provmat(tmp_path)
    root, log = tmp_path / "store", f"local:{tmp_path}/log"
    root.mkdir()
    (tmp_path / "table").write_bytes(b"x" * 100000)
    command = ["store", "put", root, "--log", log, *IDENTITY, "--output", f"table={tmp_path}/table"]
    done = provmat(*command, env={"PROVMAT_FAULT": f"{point}:1:{action}"}, check=None)
    assert done.returncode == (-signal.SIGKILL if action == "kill" else 3), done.err
    results = [row for row in provmat.json_rows("store", "list", root, check=(0, 1)) if ".provmat-put-" not in row["result"]]
    assert [row["state"] for row in results] == (["whole"] if point == "put_after_rename" else [])
    pending = [row["path"] for row in provmat.json_rows("store", "scan", root, check=(0, 1))]
    assert len(pending) == (point == "put_before_rename" and action == "kill")
    # said again it is stored, with its event, and nothing is left
    row, = provmat.json_rows(*command)
    assert row["action"] == ("already" if point == "put_after_rename" else "stored") and row["event"] == "sent"
    assert provmat("store", "scan", root).stdout == b""
    assert [event["result"] for event in provmat.json_rows("replay", "--log", log)] == [row["result"]]


def test_repair_where_names_cannot_be_exchanged(tmp_path):
    provmat = Provmat(tmp_path)
    root = tmp_path / "store"
    root.mkdir()
    (tmp_path / "table").write_bytes(b"x" * 1000)
    command = ["store", "put", root, "--no-event", *IDENTITY, "--output", f"table={tmp_path}/table"]
    row, = provmat.json_rows(*command)
    (root / row["result"] / "artifact_table.arrow").write_bytes(b"y" * 1000)
    repaired, = provmat.json_rows(*command, "--repair", env={"PROVMAT_FAULT": "put_exchange:1:error"})
    assert repaired == {**row, "action": "repaired"}
    assert provmat("store", "scan", root).stdout == b""
