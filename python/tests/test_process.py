"""Processes: their ends, forks, and the default producer."""

import os
import subprocess
import sys

import provmat
import pytest
from conftest import ROOT

# From Python 3.12 on a fork beside threads is warned of.
HEAD = """
import logging, multiprocessing, os, sys, threading, time, warnings
import provmat
logging.basicConfig()
warnings.simplefilter("ignore", DeprecationWarning)
"""


def test_the_end_of_the_process_delivers(python, log):
    code, out, err = python(HEAD + "for n in range(1000): provmat.computed(f'a/{n}', kind='sim')\nsys.exit(3)\n", PROVMAT_LOG=log.url,
                            PROVMAT_JOB_ID="job-1", PROVMAT_WORKER="w7")
    assert (code, out, err) == (3, "", "")
    events = log.events()
    assert len(events) == 1000 and {(event["job_id"], event["worker"]) for event in events} == {("job-1", "w7")}


def test_an_end_by_an_exception_delivers_too(python, log):
    script = HEAD + "with provmat.job('job-1', announce=True):\n  provmat.computed('a', kind='sim')\n  1 / 0\n"
    code, _, err = python(script, PROVMAT_LOG=log.url)
    assert code == 1 and "ZeroDivisionError" in err
    running, computed, failed = log.events()
    assert (running["status"], computed["type"], failed["status"]) == ("running", "ResultComputed", "failed")
    assert failed["error"] == "ZeroDivisionError: division by zero"


def test_a_wrong_environment_does_not_hurt(python):
    code, out, err = python(HEAD + "print([provmat.computed('a', kind='sim') for _ in range(3)], provmat.flush(), provmat.counters()[0])\n",
                            PROVMAT_LOG="ftp://x")
    assert (code, out) == (0, "[False, False, False] True 0\n")
    assert err.count("\n") == 1 and 'no event is recorded: option PROVMAT_LOG, "ftp://x"' in err


def test_the_end_is_bounded(python):
    script = HEAD + "provmat.configure(log='kafka://127.0.0.1:1/t', job_id='j', exit_timeout=0.3)\nprovmat.computed('a', kind='sim')\n"
    code, _, err = python(script)
    assert code == 0 and "1 events were lost" in err


CHILDREN = {
    "os.fork": """
for child in range(3):
    if os.fork() == 0:
        for n in range(200): assert provmat.computed(f'{child}/{n}', kind='sim')
        assert provmat.counters() == (200, *provmat.counters()[1:])
        os._exit(0 if provmat.flush(20) else 1)
assert [os.wait()[1] for _ in range(3)] == [0, 0, 0]
""",
    "fork": """
def work(child):
    for n in range(200): assert provmat.computed(f'{child}/{n}', kind='sim')
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(work, range(3))
        pool.close()
        pool.join()
""",
    "spawn": """
def work(child):
    for n in range(200): assert provmat.computed(f'{child}/{n}', kind='sim')
if __name__ == "__main__":
    children = [multiprocessing.get_context("spawn").Process(target=work, args=(n,)) for n in range(3)]
    for child in children: child.start()
    for child in children: child.join()
""",
    "forkserver": """
def work(child):
    for n in range(200): assert provmat.computed(f'{child}/{n}', kind='sim')
if __name__ == "__main__":
    children = [multiprocessing.get_context("forkserver").Process(target=work, args=(n,)) for n in range(3)]
    for child in children: child.start()
    for child in children: child.join()
""",
}


@pytest.mark.parametrize("script", CHILDREN.values(), ids=CHILDREN)
def test_children_tell_by_themselves(python, log, script):
    head = HEAD + "if __name__ == '__main__': provmat.computed('before', kind='sim')\n"
    code, _, err = python(head + script, PROVMAT_LOG=log.url, PROVMAT_JOB_ID="job-1")
    assert (code, err) == (0, "")
    results = [event["result"] for event in log.events()]
    assert len(set(results)) == len(results) == 601


def test_a_fork_while_threads_say(python, log):
    script = HEAD + """
go = True
def work():
    while go:
        for _ in range(50): provmat.computed('t', kind='sim')
        time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for child in range(10):
    if os.fork() == 0:
        os._exit(0 if provmat.computed(f'c/{child}', kind='sim') and provmat.close(20) else 1)
    assert os.wait()[1] == 0
go = False
for thread in threads: thread.join()
provmat.flush(20)
"""
    code, _, err = python(script, PROVMAT_LOG=log.url, PROVMAT_JOB_ID="job-1")
    assert (code, err) == (0, "")
    assert {f"c/{child}" for child in range(10)} < {event["result"] for event in log.events()}


def test_a_fork_while_another_thread_makes_the_default_producer(python, log):
    script = HEAD + """
from provmat import _default
_default._lock.acquire()  # as another thread would hold it
child = os.fork()
if child == 0:
    os._exit(0 if provmat.computed('a', kind='sim') and provmat.flush(20) else 1)
for _ in range(2000):
    done, status = os.waitpid(child, os.WNOHANG)
    if done: break
    time.sleep(0.01)
else:
    os.kill(child, 9)
sys.exit(0 if done and status == 0 else 1)
"""
    code, _, err = python(script, PROVMAT_LOG=log.url, PROVMAT_JOB_ID="job-1")
    assert (code, err) == (0, "")


def test_configure_replaces_and_keeps_what_it_has(log, tmp_path):
    other = f"local:{tmp_path}/other"
    try:
        first = provmat.configure(log=log.url, job_id="job-1")
        assert provmat.producer() is first and provmat.computed("a", kind="sim")
        with pytest.raises(provmat.ConfigError):
            provmat.configure(log="ftp://x")
        assert provmat.computed("b", kind="sim") and provmat.flush() and provmat.counters().acknowledged == 2
        provmat.configure(log=other, job_id="job-2")
        assert first.closed and provmat.computed("c", kind="sim")
    finally:
        assert provmat.close()
    assert [event["result"] for event in log.events()] == ["a", "b"]
    assert [event["job_id"] for event in log.events(other)] == ["job-2"]


def test_example(log):
    path = ROOT / "examples/python/worker.py"
    assert len(path.read_text().splitlines()) < 40
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, env={**os.environ, "PROVMAT_LOG": log.url})
    assert (done.stdout, done.stderr) == ("", "")
    rows = {row["job_id"]: (row["status"], row["computed"], row["reused"]) for row in log.rows("jobs")}
    assert rows == {"job-monday": ("succeeded", 6, 0), "job-tuesday": ("succeeded", 2, 4)}
