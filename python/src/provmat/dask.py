"""Attribution on Dask: a plugin that gives every worker process a producer, and every task the job that it belongs to.

    client.register_plugin(ProvenancePlugin(log="kafka://broker:9092/provenance"))
    with dask.annotate(provmat_job="job-1"):
        futures = client.map(simulate, range(100))      # provmat.computed(...) in simulate is of job-1

Needs `distributed`, which provmat itself does not.
"""

from __future__ import annotations

import threading
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from . import _default
from ._context import finders

ANNOTATION = "provmat_job"

_lock = threading.Lock()
_n_workers = 0  # of this process that have the plugin


def job_of_task() -> str | None:
    """The annotation provmat_job of the Dask task that is running here; None outside of tasks and where there is none."""
    try:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except (ValueError, AttributeError, KeyError):
        return None
    return (task.annotations or {}).get(ANNOTATION) if task is not None else None


class ProvenancePlugin(WorkerPlugin):
    """On every worker: the default producer, with the options of provmat.Producer and the worker's name, flushed when the
    worker ends (within exit_timeout). Options that are wrong make `register_plugin` raise.

    Workers that are threads of one process share its producer, and the name of the first.
    """

    name = "provmat"

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, worker: Any) -> None:
        global _n_workers
        with _lock:
            if _n_workers == 0:
                _default.configure(**{"worker": str(worker.name), **self.options})
                finders.append(job_of_task)
            _n_workers += 1

    def teardown(self, worker: Any) -> None:
        global _n_workers
        with _lock:
            _n_workers -= 1
            if _n_workers == 0:
                finders.remove(job_of_task)
                _default.close()
