"""Encrypted and authenticated connections to a real broker, what a person is told when they are refused, and what must stay secret."""

import os
import re
import signal
import stat
import subprocess
from types import SimpleNamespace

import pytest

from conftest import ROOT
from reference import generator
from test_reference import lines_of

PASSWORDS = {"alice": "alice-secret", "bob": "bob-secret"}
SECRETS = [*PASSWORDS.values(), "key-secret", "wrong-secret", "registry-secret"]

BROKER = """\
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="{alice}";
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


def make_certificates(folder):
    """ca, and another one; server.pem (key and chain) for 127.0.0.1 and stranger.pem for another host; client.crt, client.key, locked.key."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
                "-out", f"{name}.crt")
    (folder / "server.pem").write_text("".join((folder / part).read_text() for part in ("server.key", "server.crt", "ca.pem")))
    openssl("pkcs8", "-topk8", "-in", "client.key", "-passout", "pass:key-secret", "-out", "locked.key")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker of this file's own, with a listener of each kind; the properties of a client that each of them lets in."""
    if not os.environ.get("PROVMAT_TEST_KAFKA"):
        pytest.skip("PROVMAT_TEST_KAFKA is not set: no broker to test against")
    folder = tmp_path_factory.mktemp("secure")
    make_certificates(folder)
    (folder / "extra.properties").write_text(BROKER.format(folder=folder, **PASSWORDS))
    users = [f"SCRAM-SHA-{bits}=[name=bob,password={PASSWORDS['bob']}]" for bits in (256, 512)]
    command = [ROOT / "tools/kafka-up", "-d", folder / "kafka", "-p", "0", "-q", "-s", folder / "extra.properties"]
    for listener in ("TLS:SSL", "MUTUAL:SSL", "LOGIN:SASL_SSL"):
        command += ["-l", listener]
    for user in users:
        command += ["-F", "--add-scram", "-F", user]
    try:
        first = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.rpartition(":")[2])
        ports = dict(zip(("PLAIN", "CONTROLLER", "TLS", "MUTUAL", "LOGIN"), range(first, first + 5)))
        tls = {"security.protocol": "ssl", "ssl.ca.location": folder / "ca.pem"}
        mutual = {**tls, "ssl.certificate.location": folder / "client.crt", "ssl.key.location": folder / "client.key"}
        login = {**tls, "security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "alice",
                 "sasl.password": PASSWORDS["alice"]}
        yield SimpleNamespace(ports=ports, folder=folder, tls=tls, mutual=mutual, login=login,
                              locked={**mutual, "ssl.key.location": folder / "locked.key", "ssl.key.password": "key-secret"},
                              scram={**login, "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "bob", "sasl.password": PASSWORDS["bob"]})
    finally:
        subprocess.run([ROOT / "tools/kafka-down", "-q", "-d", folder / "kafka"], check=False)


def url(broker, listener, topic):
    return f"kafka://127.0.0.1:{broker.ports[listener]}/{topic}"


def written(tmp_path, properties, name="provmat.conf"):
    """A configuration file: how secrets are given without showing them to `ps`."""
    file = tmp_path / name
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    file.chmod(0o600)
    return file


def holds_no_secret(*texts):
    for text in texts:
        for secret in SECRETS:
            assert (secret.encode() if isinstance(text, bytes) else secret) not in text, f"{secret} is told in {text[:2000]!r}"


def library(provmat):
    found = re.search(r"librdkafka (\d+)\.(\d+)\.(\d+)", provmat("--version").stdout.decode())
    return tuple(map(int, found.groups()))


# ---- those who are let in ----
def round_trip(provmat, log, config, index):
    lines = lines_of(generator.world(7))[:40]
    for arguments in (["log", "create", "--partitions", "2"], ["emit"], ["materialize", "--once"], ["replay"], ["log", "info"], ["stats"]):
        done = provmat(*arguments, "-F", config, "--log", log, "--index", index, input="".join(line + "\n" for line in lines))
        holds_no_secret(done.stdout, done.stderr)
        if arguments == ["replay"]:
            assert len(done.stdout.splitlines()) == len(lines)
    assert provmat.json_rows("--index", index, "stats", "-F", config)[0]["events"] == len(lines)


@pytest.mark.parametrize("listener, properties", [("TLS", "tls"), ("MUTUAL", "mutual"), ("MUTUAL", "locked"), ("LOGIN", "login")])
def test_let_in(provmat, broker, tmp_path, index, listener, properties):
    round_trip(provmat, url(broker, listener, f"in-{properties}"), written(tmp_path, getattr(broker, properties)), index())


@pytest.mark.parametrize("bits", [256, 512])
def test_scram(provmat, broker, tmp_path, index, bits):
    """librdkafka before 2.6.1 cannot log in to Kafka 4 with it, and then that is what is said."""
    config = written(tmp_path, {**broker.scram, "sasl.mechanism": f"SCRAM-SHA-{bits}"})
    log = url(broker, "LOGIN", f"scram{bits}")
    if library(provmat) >= (2, 6, 1):
        round_trip(provmat, log, config, index())
        return
    done = provmat("log", "create", "-F", config, "--log", log, check=4)
    for words in ("SCRAM", "RDKAFKA=latest", "2.6.1", f"127.0.0.1:{broker.ports['LOGIN']}"):
        assert words in done.err, done.err
    holds_no_secret(done.stdout, done.stderr)


# ---- those who are not ----
COMMANDS = (["emit"], ["materialize", "--once"], ["replay"], ["log", "info"], ["log", "create"])

# What each is told: it ends at once, although the time-out is a minute.
REFUSED = {
    "wrong password": ("LOGIN", "login", {"sasl.password": "wrong-secret"}, ["Invalid username or password", "sasl.password="]),
    "unknown user": ("LOGIN", "login", {"sasl.username": "nobody"}, ["Invalid username or password", "sasl.username="]),
    "wrong SCRAM password": ("LOGIN", "scram", {"sasl.password": "wrong-secret"}, ["invalid credentials", "sasl.password="]),
    "wrong mechanism": ("LOGIN", "login", {"sasl.mechanism": "OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt": "true",
                                           "sasl.oauthbearer.config": "principal=x"}, ["PLAIN,SCRAM", "sasl.mechanism="]),
    "wrong CA": ("TLS", "tls", {"ssl.ca.location": "other.pem"}, ["certificate verify failed", "ssl.ca.location="]),
    "no CA": ("TLS", "tls", {"ssl.ca.location": None}, ["certificate verify failed", "ssl.ca.location="]),
    "no client certificate": ("MUTUAL", "tls", {}, ["alert", "ssl.certificate.location=", "ssl.key.location="]),
    "login at a listener without": ("TLS", "login", {}, ["SASL", "security.protocol="]),
}

# These could also be a broker that is about to start or to end, so they are tried again for as long as the time-out says.
AT_ANOTHER_LISTENER = {
    "plain client at TLS": ("TLS", None, {}),
    "plain client at a login": ("LOGIN", None, {}),
    "TLS at a plain listener": ("PLAIN", "tls", {}),
    "TLS without a login": ("LOGIN", "tls", {}),
}


def refused(provmat, broker, tmp_path, index, listener, properties, changed, timeout_ms):
    """Runs all commands at once; gives what each said on stderr."""
    settled = {**(getattr(broker, properties) if properties else {}), **changed, "provmat.timeout.ms": timeout_ms}
    if settled.get("ssl.ca.location") == "other.pem":
        settled["ssl.ca.location"] = broker.folder / "other.pem"
    config = written(tmp_path, {key: value for key, value in settled.items() if value is not None})
    line = (lines_of(generator.world(7))[0] + "\n").encode()
    running = [provmat.start(*command, "-F", config, "--log", url(broker, listener, "refused"), "--index", index(), stdin=subprocess.PIPE)
               for command in COMMANDS]
    for command, process in zip(COMMANDS, running):
        out, err = process.communicate(line, timeout=40)
        holds_no_secret(out, err)
        assert process.returncode == 4 and out == b"", (command, process.returncode, err)
        last = err.decode().splitlines()[-1]
        assert f"127.0.0.1:{broker.ports[listener]}" in last, (command, err)
        yield last


@pytest.mark.parametrize("case", REFUSED)
def test_refused(provmat, broker, tmp_path, index, case):
    listener, properties, changed, says = REFUSED[case]
    for text in refused(provmat, broker, tmp_path, index, listener, properties, changed, 60000):
        for words in says:
            assert words in text, text
        assert "could not connect to" in text, text


@pytest.mark.parametrize("case", AT_ANOTHER_LISTENER)
def test_at_another_listener(provmat, broker, tmp_path, index, case):
    for text in refused(provmat, broker, tmp_path, index, *AT_ANOTHER_LISTENER[case], 1000):
        assert "could not reach" in text and "security.protocol=" in text, text


@pytest.mark.parametrize("properties, changed, says", [
    ("tls", {"ssl.ca.location": "nowhere.pem"}, ["ssl.ca.location", "PEM"]),
    ("mutual", {"ssl.key.location": "locked.key", "ssl.key.password": "wrong-secret"}, ["ssl.key.location", "ssl.key.password"]),
    ("login", {"sasl.mechanism": None}, ["GSSAPI", "sasl.mechanism=PLAIN"]),
])
def test_properties_that_cannot_work(provmat, broker, tmp_path, properties, changed, says):
    settled = {**getattr(broker, properties), **changed}
    if settled.get("ssl.key.location") == "locked.key":
        settled["ssl.key.location"] = broker.folder / "locked.key"
    config = written(tmp_path, {key: value for key, value in settled.items() if value is not None})
    done = provmat("log", "info", "-F", config, "--log", url(broker, "LOGIN", "any"), check=2)
    holds_no_secret(done.stdout, done.stderr)
    for words in says:
        assert words in done.err, done.err


# ---- secrets ----
def test_secrets_are_not_in_the_index_nor_in_what_librdkafka_says_of_itself(provmat, broker, tmp_path, index):
    config, log, at = written(tmp_path, {**broker.login, "debug": "all"}), url(broker, "LOGIN", "debug"), index()
    provmat("log", "create", "-F", config, "--log", log)
    for arguments in (["emit"], ["materialize", "--once"]):
        done = provmat(*arguments, "-F", config, "--log", log, "--index", at, input=lines_of(generator.world(7))[0] + "\n")
        assert "SASL" in done.err
        holds_no_secret(done.stdout, done.stderr)
    for name in os.listdir(at):
        holds_no_secret((tmp_path / at / name).read_bytes())


def test_secrets_on_the_command_line_are_not_in_ps(provmat, broker, index):
    settings = [text for key, value in {**broker.login, "schema.registry.url": "http://me:registry-secret@127.0.0.1:1"}.items()
                for text in ("-X", f"{key}={value}")]
    log = url(broker, "LOGIN", "ps")
    provmat("log", "create", *settings, "--log", log)
    process = provmat.start("materialize", *settings, f"-Xssl.key.password={SECRETS[2]}", "--log", log, "--index", index())
    try:
        assert b"following" in process.stderr.readline()
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        holds_no_secret(*words)
        assert b"sasl.password=************" in words and b"-Xssl.key.password=**********" in words
        assert b"sasl.username=alice" in words and b"@127.0.0.1:1" in words[words.index(b"materialize") + 12]
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    holds_no_secret(out, err)


def test_secrets_in_dump_list_and_messages(provmat, tmp_path):
    secret = {"sasl.password": "alice-secret", "ssl.key.password": "key-secret", "ssl.keystore.password": "bob-secret",
              "schema.registry.url": "http://me:registry-secret@host:1/p"}
    dump = provmat("-F", written(tmp_path, secret), "-X", "dump").stdout.decode()
    holds_no_secret(dump)
    assert "sasl.password=********\n" in dump and "schema.registry.url=http://***@host:1/p\n" in dump
    names = provmat("-F", written(tmp_path, secret), "-X", "list").stdout.decode()
    holds_no_secret(names)
    assert {"sasl.password", "sasl.username", "ssl.ca.location", "ssl.key.password", "sasl.mechanism"} <= set(names.splitlines())
    for line in ("sasl.password alice-secret", "sasl.password: alice-secret", "sasl.pasword=alice-secret", "=alice-secret",
                 "schema.registry.url=ftp://me:registry-secret@host"):
        (tmp_path / "bad.conf").write_text(line + "\n")
        for arguments in (["-F", tmp_path / "bad.conf"], ["-X", line]):
            done = provmat("emit", "--log", f"local:{tmp_path}/log", *arguments, input="{}", check=2)
            holds_no_secret(done.stdout, done.stderr)
    assert "did you mean \"sasl.password\"" in provmat("-X", "sasl.pasword=alice-secret", "stats", check=2).err


def test_registry_that_cannot_be_reached_or_is_no_url(provmat, rawlog, local, index, tmp_path):
    """Not in the message of emit, nor in the quarantine of an index."""
    config, log, at = written(tmp_path, {"schema.registry.url": "http://me:registry-secret@127.0.0.1:1"}), local(), index()
    done = provmat("emit", "-F", config, "--log", log, input=lines_of(generator.world(7))[0] + "\n", check=4)
    assert "http://***@127.0.0.1:1" in done.err
    rawlog.append(log, [(b"k", b"\0\0\0\0\7abc"), (b"k", b"rubbish")])
    seen = provmat("materialize", "--once", "-F", config, "-X", "provmat.timeout.ms=500", "--log", log, "--index", at, check=4)
    holds_no_secret(done.stderr, seen.stderr, *[(tmp_path / at / name).read_bytes() for name in os.listdir(at)])


# ---- modes ----
def modes(folder):
    """(path, mode) of everything below."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_logs_and_indexes_are_for_their_owner_alone(provmat, tmp_path, mask):
    root = tmp_path / "root"
    root.mkdir()
    log, at = f"local:{root}/a/b/log", f"{root}/c/d/index"
    for arguments in (["emit"], ["materialize", "--once"], ["rebuild"], ["verify", "--against-log"], ["snapshot", f"{root}/e/copy"],
                      ["log", "create", "--log", f"local:{root}/f/log"]):
        process = provmat.start("--log", log, "--index", at, *arguments, stdin=subprocess.PIPE, preexec_fn=lambda: os.umask(mask) and None)
        out, err = process.communicate("".join(line + "\n" for line in lines_of(generator.world(7))[:30]).encode(), timeout=60)
        assert process.returncode == 0, (arguments, out, err)
    found = dict(modes(root))
    assert {"a/b/log/data.mdb", "c/d/index/data.mdb", "e/copy/data.mdb", "f/log/data.mdb"} <= set(found)
    for path, mode in found.items():
        assert mode == (0o700 if (root / path).is_dir() else 0o600), f"{path}: {mode:o}"


def test_a_directory_that_is_there_keeps_its_mode(provmat, tmp_path):
    for name in ("log", "index"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o750)
    provmat.emit(f"local:{tmp_path}/log", lines_of(generator.world(7))[:3])
    provmat("materialize", "--once", "--log", f"local:{tmp_path}/log", "--index", tmp_path / "index")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("log", "index")] == [0o750, 0o750]


# ---- paths ----
HOSTILE = ["../../../escaped", "/tmp/escaped", "a/../../escaped", "./escaped", "a//escaped", "escaped/", "..", "a\u0000b"]


def test_what_events_name_never_becomes_a_file(provmat, rawlog, tmp_path, local, index):
    """Names that would lead out of a directory, in every field that looks like one: refused as results, and only text anywhere else."""
    log, at = local(), index()
    good = ['{"type":"JobSubmitted","job_id":"../../escaped","bundle_ref":"../../escaped@sha256:' + "0" * 64 + '","user":"/escaped"}',
            '{"type":"ResultComputed","job_id":"../j","result":"a/b","kind":"sim","outputs":[{"name":"../../escaped","size":1,"checksum":"../x"}],'
            '"target":"/escaped"}']
    provmat.emit(log, good)
    for path in HOSTILE:
        line = '{"type":"ResultComputed","job_id":"j","kind":"sim","result":"' + path.replace("\0", "\\u0000") + '"}'
        assert "stdin:1: " in provmat.emit(log, [line], check=6).err
        rawlog.append(log, [(b"../../escaped", line.encode())])
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat("rebuild", "--log", log, "--index", at)
    provmat("verify", "--against-log", "--log", log, "--index", at)
    provmat("snapshot", tmp_path / "copy", "--index", at)
    rows = provmat.json_rows("quarantine", "list", "--index", at)
    assert len(rows) == len(HOSTILE)
    for row in rows:
        provmat("quarantine", "show", f"{row['partition']}:{row['offset']}", "--index", at)
    provmat("quarantine", "retry", "--index", at, "--log", log, check=(0, 1, 6))
    for arguments in (["query", "job", "../../escaped"], ["query", "result", "a/b"], ["query", "results", "--path-prefix", "../"]):
        provmat(*arguments, "--index", at, check=(0, 1))
    assert {path.name for path in tmp_path.iterdir()} == {"home", "log0", "index0", "copy"}
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {file for file in files if not re.fullmatch(r"(log0|index0|copy)/(data\.mdb|lock\.mdb|writer\.lock)", file)} == set()


def test_links_that_would_lead_out_are_not_followed(provmat, tmp_path, local, index):
    """What rebuild and snapshot make beside an index has known names: someone may have put a link there to what they are to remove."""
    log, at, victim = local(), index(), index()
    provmat.emit(log, lines_of(generator.world(7))[:5])
    for directory in (at, victim):
        provmat("materialize", "--once", "--log", log, "--index", directory)
    before = {name: (tmp_path / victim / name).read_bytes() for name in ("data.mdb", "writer.lock")}

    os.symlink(victim, at + ".rebuild")
    assert "symbolic link" in provmat("rebuild", "--log", log, "--index", at, check=3).err
    (tmp_path / "copy").mkdir()
    os.symlink(victim, tmp_path / "copy" / "snapshot.partial")
    assert "snapshot.partial" in provmat("snapshot", tmp_path / "copy", "--index", at, check=2).err
    os.unlink(tmp_path / at / "writer.lock")
    os.symlink(f"{victim}/writer.lock", tmp_path / at / "writer.lock")
    assert "writer.lock" in provmat("materialize", "--once", "--log", log, "--index", at, check=3).err
    assert {name: (tmp_path / victim / name).read_bytes() for name in before} == before


def test_what_a_terminal_would_obey_is_shown_instead(provmat, rawlog, local, index):
    """Whoever may write to a log chooses what stands in messages about its records."""
    log, at, escape, other = local(), index(), "\x1b[31m", "\x9b31m"
    line = '{"type":"ResultComputed","job_id":"j","kind":"sim","result":"a/../\\u001b[31m\\u009b31m\\u007f"}'
    good = '{"type":"JobSubmitted","job_id":"j\\u001b[31m"}'
    emitted = provmat.emit(log, [line, good], check=6)
    rawlog.append(log, [(b"k", line.encode())])
    replayed = provmat("replay", "--log", log, check=6)
    for done in (emitted, replayed):
        assert "\\x1b[31m\\xc2\\x9b31m\\x7f" in done.err and escape not in done.err and other not in done.err, done.err
    provmat("materialize", "--once", "--log", log, "--index", at)
    for arguments in (["query", "jobs"], ["quarantine", "list"], ["query", "job", "j"]):
        table = provmat(*arguments, "-f", "table", "--index", at).stdout.decode()
        assert escape not in table and other not in table, table
    assert escape not in provmat("query", "job", f"nobody{escape}", "--index", at, check=1).err
