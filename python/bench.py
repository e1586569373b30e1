"""bench: what one call costs the job. Prints the median and the 99th percentile, in microseconds, of each kind of event; the events
go into an embedded log in a scratch folder.

    python python/bench.py [CALLS]
"""

import logging
import statistics
import sys
import tempfile
import time

import provmat

PARAMS = {"beta": 0.8594941447488963, "sigma": 0.16403685547411442, "gamma": 0.22942023063078526}
BUNDLE = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
OUTPUTS = [{"name": name, "size": 4410, "checksum": "b847aae757bdff404cbe8da964c98d0c4a37de3e2997933cf7c54f9d6a395262"}
           for name in ("prevalence", "summary", "metadata")]


def sim(number):
    return {"kind": "sim", "schema": "token", "schema_version": 1, "bundle_ref": BUNDLE, "entrypoint": "models.seir/baseline",
            "params": PARAMS | {"beta": number / 1000}, "seed": number}


CALLS = {
    "reused, path and kind": lambda p, n: lambda path=f"sims/{n}": p.reused(path, kind="sim"),
    "reused, full identity": lambda p, n: lambda path=f"sims/{n}", fields=sim(n): p.reused(path, source="local", **fields),
    "computed, full identity and 3 outputs": lambda p, n: lambda path=f"sims/{n}", fields=sim(n): p.computed(
        path, outputs=OUTPUTS, loss=0.5, duration_us=1000, **fields),
}


def measure(call, producer, calls):
    spent = []
    for number in range(calls):
        once = call(producer, number)
        start = time.perf_counter_ns()
        accepted = once()
        spent.append(time.perf_counter_ns() - start)
        if not accepted or number % 10000 == 9999:  # the queue is for bursts; how fast a log takes events is not asked here
            producer.flush(60)
    spent.sort()
    return statistics.median(spent) / 1000, spent[len(spent) * 99 // 100] / 1000


def main():
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
    logging.basicConfig()
    with tempfile.TemporaryDirectory() as folder, provmat.Producer(f"local:{folder}/log", job_id="job-1", worker="w7") as producer:
        for name, call in CALLS.items():
            median, late = measure(call, producer, calls)
            print(f"{name:40} median {median:6.2f} us   p99 {late:6.2f} us")
        counters = producer.counters
        producer.flush(60)
    if counters.rejected or counters.dropped:
        sys.exit(f"{counters.rejected} events were rejected and {counters.dropped} dropped")


if __name__ == "__main__":
    main()
