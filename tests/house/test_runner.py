"""tools/test counts what the reports say, and takes a runner that breaks for a failure."""
import importlib.machinery
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runner():
    loader = importlib.machinery.SourceFileLoader("runner", str(ROOT / "tools/test"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    loader.exec_module(module)
    return module


GOOD = '<testcase name="a" status="PASSED"/>'
BAD = '<testcase name="b" status="FAILED"><failure/></testcase>'
ERROR = '<testcase name="c"><error/></testcase>'
SKIPPED = '<testcase name="d"><skipped/></testcase>'


@pytest.mark.parametrize("cases,status,line", [
    (GOOD + GOOD, 0, "2 passed, 0 failed"),
    (GOOD + SKIPPED, 0, "1 passed, 0 failed, 1 skipped"),
    (GOOD + BAD + ERROR, 1, "1 passed, 2 failed"),
    ("", 0, "0 passed, 1 failed"),            # nothing was run
    (GOOD, 139, "1 passed, 1 failed"),        # the runner crashed after its report
    (GOOD, None, "1 passed, 1 failed"),       # it hung
    (None, 0, "0 passed, 1 failed"),          # no report
])
def test_count(runner, tmp_path, cases, status, line):
    report = tmp_path / "report.xml"
    if cases is not None:
        report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    count = runner.Count()
    count.add_report("a runner", report, status)
    assert count.line() == line


def test_half_a_report(runner, tmp_path):
    report = tmp_path / "report.xml"
    report.write_text("<testsuites><testsuite>" + GOOD)
    count = runner.Count()
    count.add_report("a runner", report, 0)
    assert count.line() == "0 passed, 1 failed"


def test_a_sanitizer_report_is_a_failure(runner, tmp_path):
    it = runner.Runner(tmp_path, lane="asan")
    (it.scratch / "san.41").write_text("ERROR: LeakSanitizer")
    count = runner.Count()
    it.sanitizer_reports(count, "a test")
    it.sanitizer_reports(count, "the next") # each report counts once
    assert count.failed == 1


def test_what_is_started_ends_with_it(runner, tmp_path):
    it = runner.Runner(tmp_path, lane=None)
    assert it.run(["sleep", "60"], 0.2) is None
    assert it.run(["sh", "-c", "exit 3"], 10) == 3
