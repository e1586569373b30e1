"""A materializer that follows a topic and is refused while it does: another password, another certificate, rights that are taken away."""

import os
import signal
import subprocess
import time

import pytest

from conftest import ROOT
from reference import generator
from test_reference import lines_of
from test_security import holds_no_secret, make_certificates, written

BROKER = """\
ssl.keystore.type=PEM
ssl.keystore.location={folder}/{certificate}.pem
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS{more}
"""
AS_IT_WAS = {"certificate": "server", "password": "alice-secret", "more": ";User:alice"}


class Broker:
    """A broker that is ended and started again under other rules."""

    def __init__(self, folder):
        self.folder, self.port, self.changed = folder, 0, None
        self.up()

    def up(self, **changed):
        self.changed = changed
        (self.folder / "extra").write_text(BROKER.format(folder=self.folder, **{**AS_IT_WAS, **changed}))
        command = [ROOT / "tools/kafka-up", "-q", "-d", self.folder / "kafka", "-p", str(self.port), "-s", self.folder / "extra", "-l", "LOGIN:SASL_SSL"]
        self.port = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.rpartition(":")[2])

    def down(self):
        subprocess.run([ROOT / "tools/kafka-down", "-q", "-d", self.folder / "kafka"], check=False)

    def again(self, **changed):
        if changed == self.changed:
            return
        self.down()
        self.up(**changed)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    if not os.environ.get("PROVMAT_TEST_KAFKA"):
        pytest.skip("PROVMAT_TEST_KAFKA is not set: no broker to test against")
    folder = tmp_path_factory.mktemp("refused")
    make_certificates(folder)
    (folder / "strange.pem").write_text((folder / "other.key").read_text() + (folder / "other.pem").read_text())
    broker = Broker(folder)
    yield broker
    broker.down()


def login(tmp_path, broker, timeout_ms):
    return written(tmp_path, {"security.protocol": "sasl_ssl", "ssl.ca.location": broker.folder / "ca.pem", "sasl.mechanism": "PLAIN",
                              "sasl.username": "alice", "sasl.password": "alice-secret", "provmat.timeout.ms": timeout_ms,
                              "reconnect.backoff.max.ms": 500})


class Follower:
    """`provmat materialize` with a login, in a topic of its own."""

    def __init__(self, provmat, broker, tmp_path, topic, index, timeout_ms):
        broker.again()
        self.log = f"kafka://127.0.0.1:{broker.port + 2}/{topic}"
        self.plain = f"kafka://127.0.0.1:{broker.port}/{topic}"
        self.provmat, self.index = provmat, index
        provmat("log", "create", "--log", self.plain, "--partitions", "2")
        provmat.emit(self.plain, lines_of(generator.world(7))[:20])
        config = login(tmp_path, broker, timeout_ms)
        self.process = provmat.start("materialize", "-F", config, "--log", self.log, "--index", index)
        self.await_events(20)

    def events(self):
        done = self.provmat("stats", "--log", self.plain, "--index", self.index, "-f", "ndjson", check=None)
        return int(done.stdout.split(b'"events":')[1].split(b",")[0]) if done.returncode == 0 else 0

    def await_events(self, n):
        while self.events() < n:
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)

    def end(self):
        try:
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        holds_no_secret(out, err)
        return self.process.returncode, err.decode()


@pytest.mark.parametrize("changed, says", [
    ({"password": "bob-secret"}, ["Invalid username or password", "sasl.password="]),
    ({"certificate": "strange"}, ["certificate verify failed", "ssl.ca.location="]),
    ({"more": ""}, ["authorization failed"]),
], ids=["password", "certificate", "rights"])
def test_refused_while_it_follows(provmat, broker, tmp_path, index, request, changed, says):
    follower = Follower(provmat, broker, tmp_path, request.node.callspec.id, index(), 2000)
    broker.again(**changed)
    status, err = follower.end()
    assert status == 4, err
    for words in says:
        assert words in err.splitlines()[-1], err
    assert follower.events() == 20


def test_rights_of_a_topic_are_enough(provmat, broker, topic, tmp_path, index):
    """Who may read and describe the topic needs no right to a group: none is joined."""
    broker.again(more="")
    log, plain, at = f"kafka://127.0.0.1:{broker.port + 2}/rules", f"kafka://127.0.0.1:{broker.port}/rules", index()
    provmat("log", "create", "--log", plain, "--partitions", "2")
    provmat.emit(plain, lines_of(generator.world(7))[:20])
    config = login(tmp_path, broker, 10000)
    for arguments in (["materialize", "--once"], ["log", "info"]):
        done = provmat(*arguments, "-F", config, "--log", log, "--index", at, check=4)
        assert "authorization failed" in done.err.splitlines()[-1] and "ACLs" in done.err, done.err
    topic("allow", plain, "alice")
    for _ in range(2):
        done = provmat("materialize", "--once", "-F", config, "--log", log, "--index", at)
        assert "Group" not in done.err
    assert provmat.json_rows("stats", "-F", config, "--log", log, "--index", at)[0]["events"] == 20
    done = provmat("emit", "-F", config, "--log", log, input=lines_of(generator.world(7))[0] + "\n", check=4)
    assert "authorization failed" in done.err and "ACLs" in done.err


def test_a_refusal_that_passes(provmat, broker, tmp_path, index):
    """Refused for less than the time-out: it goes on."""
    follower = Follower(provmat, broker, tmp_path, "passes", index(), 60000)
    broker.again(password="bob-secret")
    while b"Invalid username or password" not in follower.process.stderr.readline():
        pass
    broker.again()
    provmat.emit(follower.plain, lines_of(generator.world(7))[20:40])
    follower.await_events(40)
    follower.process.send_signal(signal.SIGTERM)
    assert follower.end()[0] == 0
