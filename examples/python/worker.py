"""worker.py: two jobs that share a cache: the second computes only what the first did not, and provmat knows who did what.

    pip install ./python && PROVMAT_LOG=local:./log python examples/python/worker.py
"""

import logging
import time

import provmat

logging.basicConfig(level=logging.INFO)  # the logger "provmat" says once what goes wrong
BUNDLE = "sha256:4f446dbc7bd09db746ea635f0acb27025ebb7dc982442691eb114588fd99a7c2"
cache = {}


def simulate(params, seed):
    identity = {"kind": "sim", "bundle_ref": BUNDLE, "params": params, "seed": seed}
    path = f"token/v1/sims/{provmat.bundle_digest(BUNDLE)[:12]}/params_{provmat.param_id(params)[:8]}/seed_{seed}"
    if path in cache:
        provmat.reused(path, source="local", **identity)
        return cache[path]
    started = time.monotonic()
    cache[path] = loss = abs(params["beta"] - 0.3) * seed
    provmat.computed(path, loss=loss, duration_us=int((time.monotonic() - started) * 1e6), **identity)
    return loss


def run(job_id, seeds):
    with provmat.job(job_id, announce=True):  # says "running", and "succeeded" or "failed"
        return min(simulate({"beta": beta, "gamma": 0.25}, seed) for beta in (0.2, 0.5) for seed in seeds)


if __name__ == "__main__":
    run("job-monday", [1, 2, 3])
    run("job-tuesday", [2, 3, 4])
    provmat.flush(timeout=5)  # seconds; the end of the program would do it too
