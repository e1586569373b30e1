"""ProvenancePlugin on a real Dask cluster of processes: two jobs share a store, and provmat knows who computed what."""

import provmat
import pytest
from stand_in import ParameterSet, SimTask, Store, run_agg, run_sim

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

TARGET = "targets.prevalence:prevalence_target"


@pytest.fixture(scope="module")
def cluster():
    with dask.config.set({"distributed.worker.daemon": True, "distributed.comm.timeouts.connect": "30s"}):
        with distributed.LocalCluster(n_workers=2, threads_per_worker=2, processes=True, host="127.0.0.1",
                                      dashboard_address="127.0.0.1:0") as cluster:
            yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


def simulate(folder, beta, seed):
    from provmat import modelops
    store = Store(folder)
    with modelops.attach(store):
        return run_sim(store, SimTask(ParameterSet({"beta": beta}), seed))


def aggregate(folder, sims):
    from provmat import modelops
    store = Store(folder)
    with modelops.attach(store):
        return run_agg(store, TARGET, sims).loss


def run_job(client, folder, job_id, betas, seeds):
    """As a runner submits a study: nothing but the annotation tells the workers which job a task is of."""
    with dask.annotate(provmat_job=job_id):
        losses = []
        for beta in betas:
            sims = [client.submit(simulate, folder, beta, seed, pure=False) for seed in seeds]
            losses.append(client.submit(aggregate, folder, sims, pure=False))
        return client.gather(losses)


def test_two_jobs_that_share_results(client, log, tmp_path):
    from provmat.dask import ProvenancePlugin
    client.register_plugin(ProvenancePlugin(log=log.url))
    folder = str(tmp_path / "store")
    run_job(client, folder, "job-a", [0.1, 0.2, 0.3, 0.4], [1, 2])
    run_job(client, folder, "job-b", [0.3, 0.4, 0.5], [1, 2])
    assert client.run(provmat.flush) and set(client.run(lambda: provmat.counters().rejected).values()) == {0}
    jobs = {row["job_id"]: (row["computed"], row["reused"], row["failed"]) for row in log.rows("jobs")}
    # 8 simulations and 4 aggregations; of job-b's 6 and 3 the last 2 and 1 are new
    assert jobs == {"job-a": (12, 0, 0), "job-b": (3, 6, 0)}
    shared = log.rows("results", "--job", "job-b", "--role", "reused")
    assert {tuple((use["job_id"], use["role"]) for use in log.rows("jobs", "--result", row["result"])) for row in shared} \
        <= {(("job-a", "computed"), ("job-b", "reused")), (("job-b", "reused"), ("job-a", "computed"))}
    assert len(shared) == 6 and log.rows("conflicts") == [] and log.rows("results", "--unattributed") == []
    workers = {event["worker"] for event in log.events()}
    assert workers <= {str(name) for name in client.cluster.workers} and len(workers) == 2


def test_a_task_without_a_job_is_of_none(client, log, tmp_path):
    from provmat.dask import job_of_task
    with dask.annotate(provmat_job="job-x"):
        assert client.submit(job_of_task, pure=False).result() == "job-x"
    assert client.submit(job_of_task, pure=False).result() is None
    assert job_of_task() is None


def test_wrong_options_are_told_where_the_plugin_is_registered(client):
    from provmat.dask import ProvenancePlugin
    client.unregister_worker_plugin("provmat")
    with pytest.raises(provmat.ConfigError, match="ftp://x"):
        client.register_plugin(ProvenancePlugin(log="ftp://x"))


def test_the_end_of_a_worker_delivers(log):
    from provmat.dask import ProvenancePlugin
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster, \
            distributed.Client(cluster) as client:
        client.register_plugin(ProvenancePlugin(log=log.url, job_id="job-1", linger_ms=60000))
        assert client.submit(provmat.computed, "a", kind="sim", pure=False).result() is True
    assert [event["result"] for event in log.events()] == ["a"]
    provmat.close()
