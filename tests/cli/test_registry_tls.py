"""A schema registry behind TLS: the real one, with a small TLS server in front of it."""

import contextlib
import socket
import ssl
import threading
import urllib.parse

import pytest

from reference import generator
from test_reference import lines_of
from test_security import holds_no_secret, make_certificates, written

LINES = lines_of(generator.world(7))[:12]


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def behind_tls(registry_url, tmp_path_factory):
    """(the URL of the registry behind TLS, the folder with the certificates); those who do not trust it never get to the registry."""
    folder = tmp_path_factory.mktemp("registry")
    make_certificates(folder)
    there = urllib.parse.urlsplit(registry_url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = socket.create_server(("127.0.0.1", 0))

    def serve(client):
        with contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as inner, \
                socket.create_connection((there.hostname, there.port)) as outer:
            back = threading.Thread(target=pump, args=(outer, inner))
            back.start()
            pump(inner, outer)
            back.join()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"https://me:registry-secret@127.0.0.1:{server.getsockname()[1]}{there.path}", folder
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_let_in(provmat, behind_tls, local, index, tmp_path):
    url, folder = behind_tls
    config, log, at = written(tmp_path, {"schema.registry.url": url, "ssl.ca.location": folder / "ca.pem"}), local(), index()
    for arguments in (["emit"], ["materialize", "--once"], ["replay"]):
        done = provmat(*arguments, "-F", config, "--log", log, "--index", at, input="".join(line + "\n" for line in LINES))
        holds_no_secret(done.stdout, done.stderr)
    assert provmat.json_rows("stats", "--log", log, "--index", at)[0]["events"] == len(LINES)


@pytest.mark.parametrize("trusted, status, says", [
    ("other.pem", 4, ["certificate", "ssl.ca.location=FILE"]),
    (None, 4, ["certificate", "ssl.ca.location=FILE"]),
    ("nowhere.pem", 2, ["nowhere.pem"]),
])
def test_not_let_in(provmat, behind_tls, local, index, tmp_path, trusted, status, says):
    """Neither who writes nor who reads: nothing is appended, and nothing goes to the quarantine for it."""
    url, folder = behind_tls
    good = written(tmp_path, {"schema.registry.url": url, "ssl.ca.location": folder / "ca.pem"})
    bad = written(tmp_path, {"schema.registry.url": url, **({"ssl.ca.location": folder / trusted} if trusted else {})}, "bad.conf")
    log, at, text = local(), index(), "".join(line + "\n" for line in LINES)
    provmat("emit", "-F", good, "--log", log, input=text)
    for arguments in (["emit"], ["materialize", "--once"]):
        done = provmat(*arguments, "-F", bad, "--log", log, "--index", at, input=text, check=status)
        holds_no_secret(done.stdout, done.stderr)
        for words in says:
            assert words in done.err, done.err
    provmat("materialize", "--once", "-F", good, "--log", log, "--index", at)
    row, = provmat.json_rows("stats", "--log", log, "--index", at)
    assert (row["events"], row["quarantined"]) == (len(LINES), 0)
