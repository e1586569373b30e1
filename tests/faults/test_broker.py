"""The broker is killed and started again, under emitters and materializers."""

import os
import random
import re
import signal
import subprocess
import time
import uuid

import pytest

from conftest import ROOT
from faults.conftest import SEED
from faults.scene import Scene, content, text_of
from reference import events

BROKER_KILLS = int(os.environ.get("PROVMAT_BROKER_KILLS", "4"))


class Broker:
    """A broker of this test's own, because it is killed."""

    def __init__(self, folder):
        self.folder, self.address = folder, None
        self.up()

    def up(self):
        port = self.address.rsplit(":", 1)[1] if self.address else "0"
        done = subprocess.run([ROOT / "tools/kafka-up", "-q", "-d", self.folder, "-p", port], stdout=subprocess.PIPE, text=True, check=True)
        self.address = done.stdout.strip()

    def down(self, *flags):
        subprocess.run([ROOT / "tools/kafka-down", "-q", "-d", self.folder, *flags], check=False)


@pytest.fixture(scope="module")
def broker(kafka_address, tmp_path_factory):
    """Only where there is a broker to test with at all."""
    assert kafka_address
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.down()


@pytest.fixture
def topic(broker, provmat, rawlog, tmp_path):
    scene = Scene(provmat, rawlog, f"kafka://{broker.address}/faults-{uuid.uuid4().hex[:8]}", f"{tmp_path}/index", SEED, 400)
    scene.run("log", "create", "--log", scene.log, "--partitions", "2")
    return scene


def test_broker_killed_while_emitting_and_materializing(broker, topic):
    """Each kill comes while a stream of events is on its way and a materializer follows; nothing is lost, nothing doubled by it."""
    rng = random.Random(f"broker {SEED}")
    follower = topic.provmat.start("materialize", "--log", topic.log, "--index", topic.index, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=topic.environment)
    emitted = []
    try:
        for kill in range(BROKER_KILLS):
            lines = rng.sample(topic.lines, 120)
            emitter = topic.provmat.start("emit", "--log", topic.log, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=topic.environment)
            emitter.stdin.write(text_of(lines[:60]))
            emitter.stdin.flush()
            time.sleep(rng.random())
            broker.down("-9")
            emitter.stdin.write(text_of(lines[60:]))
            emitter.stdin.close()
            broker.up()
            err = emitter.stderr.read().decode()
            emitter.stderr.close()
            assert emitter.wait(120) == 0, f"kill {kill}: {err}"
            assert re.search(r"\b120\b", err), err
            emitted += [content(event) for event in events.read(lines)]
            assert sorted(content(event) for _, event in topic.replayed()) == sorted(emitted), f"kill {kill}: lost or doubled"
            assert follower.poll() is None, f"kill {kill}: the materializer has ended"
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(60) == 0
    finally:
        follower.kill()
        follower.wait()
    topic.hold_index("as the follower left it")
    topic.run(*topic.command("materialize"))
    topic.hold_index("at the end", per_item=4, complete=True)


def test_broker_and_program_killed_together(broker, topic):
    """Both go at once; after both are back the emitter tries again, and each event counts once."""
    rng = random.Random(f"together {SEED}")
    for kill in range(max(1, BROKER_KILLS // 4)):
        process = topic.provmat.start("materialize", "--log", topic.log, "--index", topic.index, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, env=topic.environment)
        lines = rng.sample(topic.lines, 100)
        emitter = topic.provmat.start("emit", "--log", topic.log, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, env=topic.environment)
        emitter.stdin.write(text_of(lines))
        emitter.stdin.close()
        time.sleep(rng.random() * 0.5)
        emitter.kill()
        process.kill()
        broker.down("-9")
        emitter.wait(30)
        process.wait(30)
        broker.up()
        topic.hold_index(f"kill {kill}")
        topic.run("emit", "--log", topic.log, input=text_of(lines))
        topic.run(*topic.command("materialize"))
        topic.hold_index(f"kill {kill}, then run again", complete=True)
        there = {content(event) for _, event in topic.replayed()}
        assert {content(event) for event in events.read(lines)} <= there
