"""Real stores of every generation, unpacked into a scratch directory."""

import gzip
import json
import tarfile

from conftest import ROOT

DATA = ROOT / "tests/data"
GENERATIONS = sorted(path.name.removesuffix(".tar.gz") for path in (DATA / "generations").glob("*.tar.gz"))

SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.4


def unpack(archive, into):
    with tarfile.open(archive) as tar:
        tar.extractall(into, **SAFELY)
    return into / "store"


def few(into):
    """A dozen results of the small store: enough to damage one of them."""
    with tarfile.open(DATA / "small/store.tar.gz") as tar:
        members = [member for member in tar if "/4f446dbc7bd0/31/78/" in member.name or "/4f446dbc7bd0/target_targets.prevalence" in member.name]
        tar.extractall(into, members=members, **SAFELY)
    return into / "store"


def small(into):
    return unpack(DATA / "small/store.tar.gz", into)


def week(into):
    return unpack(DATA / "week/store.tar.xz", into)


def generation(name, into):
    truth = json.loads(gzip.decompress((DATA / f"generations/{name}.truth.json.gz").read_bytes()))
    return unpack(DATA / f"generations/{name}.tar.gz", into), truth["results"]


def expected(name="small"):
    return json.loads(gzip.decompress((DATA / name / "expected.json.gz").read_bytes()))


def events(name="small"):
    return gzip.decompress((DATA / name / "events.ndjson.gz").read_bytes()).decode().splitlines()
