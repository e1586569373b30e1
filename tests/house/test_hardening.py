"""The program is linked and compiled so that a mistake in it is harder to use (mk/flags.mk)."""
import re
import subprocess

import pytest

from conftest import PROGRAM


@pytest.fixture(scope="module")
def readelf():
    flags = PROGRAM.parent / "flags"
    if not flags.exists() or "-U_FORTIFY_SOURCE" not in flags.read_text().split():
        pytest.skip("not the release flavour: the others look for mistakes instead")
    return lambda *arguments: subprocess.run(["readelf", "-W", *arguments, PROGRAM], capture_output=True, text=True, check=True,
                                             env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def test_position_independent(readelf):
    assert re.search(r"Type:\s+DYN ", readelf("-h"))
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", readelf("-d"))


def test_nothing_that_is_relocated_can_be_written(readelf):
    assert " GNU_RELRO " in readelf("-l")
    assert re.search(r"\(FLAGS_1\).*\bNOW\b", readelf("-d")), "full RELRO needs every symbol bound at the start"
    assert "(TEXTREL)" not in readelf("-d")


def test_no_memory_is_both_written_and_run(readelf):
    segments = [line.split() for line in readelf("-l").splitlines() if re.match(r"  [A-Z_]+ +0x", line)]
    assert any(words[0] == "GNU_STACK" for words in segments)
    for words in segments:
        assert not {"W", "E"} <= set("".join(words[6:-1])), words


def test_no_library_is_looked_for_beside_the_program(readelf):
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("-d"))


def test_stack_protector_and_checked_copies(readelf):
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert {"__memcpy_chk", "__snprintf_chk", "__vsnprintf_chk", "__fprintf_chk"} & set(re.findall(r"__\w+_chk", symbols))


def test_flags(readelf):
    """What leaves no mark of its own in the file."""
    flags = (PROGRAM.parent / "flags").read_text().split()
    assert {"-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=2"} <= set(flags), flags
