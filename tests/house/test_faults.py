"""Planned faults are in the build that is made for them and in no other."""

import subprocess

from conftest import PROGRAM


def test_only_their_own_build_has_planned_faults():
    wanted = PROGRAM.parent.name.startswith("faults")
    program = PROGRAM.read_bytes()
    assert all((word in program) == wanted for word in (b"PROVMAT_FAULT", b"planned fault", b"quarantine_row")), PROGRAM
    symbols = subprocess.run(["nm", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert "pm_writer_open" in symbols and ("pm_fault" in symbols) == wanted, PROGRAM
