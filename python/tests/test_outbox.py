"""The outbox: what a call accepted outlives the process and a log that is away."""

import signal
import subprocess
import sys
import threading

import provmat

AWAY = "kafka://127.0.0.1:1/t"


def drained(log, folder):
    log.program("outbox", "drain", str(folder), "--log", log.url)
    return log.events()


def test_what_was_accepted_survives_a_kill(log, tmp_path):
    script = ("import provmat, sys\nprovmat.configure(log=sys.argv[1], outbox=sys.argv[2], outbox_mode='always', job_id='job-1')\n"
              "n = 0\nwhile provmat.computed(f'a/{n}', kind='sim'): print(n, flush=True); n += 1\n")
    folder = tmp_path / "outbox"
    process = subprocess.Popen([sys.executable, "-c", script, AWAY, folder], stdout=subprocess.PIPE, text=True)
    accepted = [next(process.stdout) for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    accepted += list(process.stdout)
    process.wait()
    results = {event["result"] for event in drained(log, folder)}
    assert {f"a/{int(line)}" for line in accepted if line.endswith("\n")} <= results


def test_the_end_with_a_log_that_is_away_loses_nothing(log, tmp_path, said):
    folder = tmp_path / "outbox"
    with provmat.Producer(AWAY, job_id="job-1", outbox=folder, log_timeout_ms=100, linger_ms=1, exit_timeout=5) as p:
        for number in range(100):
            assert p.computed(f"a/{number}", kind="sim")
        assert p.close(1)
    assert p.counters.rejected == p.counters.dropped == 0
    assert "lost" not in str(said())
    assert {event["result"] for event in drained(log, folder)} == {f"a/{number}" for number in range(100)}


def test_threads_that_write_to_the_disk_themselves(log, tmp_path):
    def work(name):
        for number in range(200):
            assert p.computed(f"{name}/{number}", kind="sim")

    folder = tmp_path / "outbox"
    with provmat.Producer(log.url, job_id="job-1", outbox=folder, outbox_mode="always", outbox_sync="interval", exit_timeout=30) as p:
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert p.counters.accepted == 800
    assert len({event["result"] for event in drained(log, folder)}) == 800


def test_close_while_others_write_to_the_disk(log, tmp_path):
    def work():
        while p.computed("a", kind="sim"):
            n.append(1)

    n = []
    folder = tmp_path / "outbox"
    p = provmat.Producer(log.url, job_id="job-1", outbox=folder, outbox_mode="always", exit_timeout=30)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(n) < 300:
        pass
    assert p.close()
    for thread in threads:
        thread.join()
    drained(log, folder)
    assert len({event["event_id"] for event in log.events()}) == len(n)
