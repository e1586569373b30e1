"""A real broker (PROVMAT_TEST_KAFKA, host:port)."""

import os
import uuid

import provmat
import pytest


@pytest.fixture
def topic(log):
    address = os.environ.get("PROVMAT_TEST_KAFKA")
    if not address:
        pytest.skip("PROVMAT_TEST_KAFKA is not set: no broker to test against")
    url = f"kafka://{address}/provmat-test-{uuid.uuid4().hex[:12]}"
    log.program("log", "create", "--partitions", "3", "--log", url)
    return url


def test_events_reach_a_broker(topic, log):
    properties = {"compression.type": "lz4", "enable.idempotence": True}
    with provmat.Producer(topic, properties=properties, exit_timeout=30) as p:
        for number in range(1000):
            assert p.computed(f"a/{number}", kind="sim", job_id=f"job-{number % 7}")
        assert p.flush(30) and p.counters.acknowledged == 1000 and p.problem is None
    log.url = topic
    rows = {row["job_id"]: row["computed"] for row in log.rows("jobs")}
    assert sum(rows.values()) == 1000 and len(rows) == 7
