"""provmat: a job says what it computed and what it only reused, and can never be hurt by saying it.

    import provmat

    with provmat.job("job-1"):
        provmat.computed("token/v1/sims/4f446dbc7bd0/seed_42", kind="sim", params={"beta": 0.5}, seed=42, loss=0.1)

A call copies and returns: events wait in a queue of fixed size, a thread of libprovmat appends them to the log, and what
is left is delivered at exit, within a bounded time. Calls that say an event raise nothing and return whether it was
accepted; what goes wrong is counted (`counters`) and told once to the logger "provmat". Wrong options raise ConfigError
when the producer is made.

The functions of this module use a default producer: that of `configure`, else one that is made from the environment
(PROVMAT_LOG, PROVMAT_JOB_ID, PROVMAT_WORKER, PROVMAT_OUTBOX) by the first event.

`Store` keeps results in a store and says the events of its puts and hits by itself.
"""

from ._context import current_job, job
from ._default import (close, computed, configure, counters, deleted, discovered, expected, failed, flush, producer, reused, status,
                       submitted)
from ._native import bundle_digest, canonical_json, param_id
from ._native import version as __version__
from ._producer import ConfigError, Counters, Producer
from ._store import ConflictError, DamagedError, File, Hit, Put, Store, StoreError

__all__ = ["ConfigError", "ConflictError", "Counters", "DamagedError", "File", "Hit", "Producer", "Put", "Store", "StoreError",
           "__version__", "bundle_digest", "canonical_json", "close", "computed", "configure", "counters", "current_job", "deleted",
           "discovered", "expected", "failed", "flush", "job", "param_id", "producer", "reused", "status", "submitted"]
