"""What the program tests share: the program under test, scratch logs and indexes, the broker and the registry when there are any.

  PROVMAT                the program (default build/provmat)
  PROVMAT_TEST_KAFKA     host:port of a broker; tests that need one are skipped without it
  PROVMAT_TEST_REGISTRY  URL of a schema registry; the same
  PROVMAT_SEEDS          how many random worlds are tried, or one as =SEED
"""

import gzip
import itertools
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

PROGRAM = Path(os.environ.get("PROVMAT", ROOT / "build" / "provmat")).resolve()


class Provmat:
    """Runs the program with an environment of its own. `check`: the exit codes that are fine (None: any)."""

    def __init__(self, home):
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("PROVMAT")}
        self.environment.update(HOME=str(home), XDG_CONFIG_HOME=str(home), NO_COLOR="1", LC_ALL="C.UTF-8", TZ="America/Bogota")
        self.cwd = home

    def __call__(self, *arguments, input=None, check=(0,), env=None, cwd=None, timeout=120):
        if isinstance(input, str):
            input = input.encode()
        done = subprocess.run([PROGRAM, *map(str, arguments)], input=input, stdin=subprocess.DEVNULL if input is None else None,
                              capture_output=True, env={**self.environment, **(env or {})}, cwd=cwd or self.cwd, timeout=timeout,
                              check=False)
        done.err = done.stderr.decode(errors="replace")
        if isinstance(check, int):
            check = (check,)
        if check is not None and done.returncode not in check:
            raise AssertionError(f"provmat {' '.join(map(str, arguments))[:600]}: exit {done.returncode}, not {check}\n"
                                 f"stdout: {done.stdout[:1500]!r}\nstderr: {done.err[:3000]}")
        return done

    def start(self, *arguments, env=None, **more):
        """A process left running; the caller ends it."""
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
        return subprocess.Popen([PROGRAM, *map(str, arguments)], env={**self.environment, **(env or {})}, cwd=self.cwd, **more)

    def emit(self, log, events, **more):
        """Events (dictionaries or lines) into a log."""
        lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in events]
        return self("emit", "--log", log, input="".join(line + "\n" for line in lines), **more)

    def json_rows(self, *arguments, **more):
        return [json.loads(line) for line in self(*arguments, **more).stdout.decode().splitlines()]


@pytest.fixture(scope="session", autouse=True)
def program_exists():
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} does not exist: run `make` first, or set PROVMAT", returncode=3)


@pytest.fixture
def provmat(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return Provmat(home)


@pytest.fixture
def local(tmp_path):
    """Makes names of fresh local logs."""
    return (f"local:{tmp_path}/log{number}" for number in itertools.count()).__next__


@pytest.fixture
def index(tmp_path):
    """Makes names of fresh index directories."""
    return (f"{tmp_path}/index{number}" for number in itertools.count()).__next__


@pytest.fixture
def disk(tmp_path):
    """Makes small file systems of their own: disk("512k") gives a folder."""
    mounted = []

    def make(size):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def kafka_address():
    address = os.environ.get("PROVMAT_TEST_KAFKA")
    if not address:
        pytest.skip("PROVMAT_TEST_KAFKA is not set: no broker to test against")
    return address


@pytest.fixture
def kafka(kafka_address):
    """Makes URLs of topics that do not exist yet."""
    return lambda: f"kafka://{kafka_address}/provmat-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def registry_url():
    url = os.environ.get("PROVMAT_TEST_REGISTRY")
    if not url:
        pytest.skip("PROVMAT_TEST_REGISTRY is not set: no registry to test against")
    return url


@pytest.fixture(scope="session")
def rawlog(tmp_path_factory):
    """Appends raw values to a log past every check, and reads them back: append(url, [(key, value)...]), dump(url)."""
    return RawLog(build_tool("rawlog", tmp_path_factory.mktemp("tools")))


@pytest.fixture(scope="session")
def kvput(tmp_path_factory):
    """Changes values of an index behind the program's back."""
    return KvPut(build_tool("kvput", tmp_path_factory.mktemp("tools")))


@pytest.fixture(scope="session")
def memlog(tmp_path_factory):
    """Makes an index from a scripted memory log: memlog(index, batch, lines of the script)."""
    tool = build_tool("memlog", tmp_path_factory.mktemp("tools"))

    def run(index, batch, script):
        done = subprocess.run([tool, str(index), str(batch)], input="".join(line + "\n" for line in script).encode(), capture_output=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
    return run


@pytest.fixture(scope="session")
def topic(tmp_path_factory):
    """Does to a topic what happens behind provmat's back: topic("delete", url), topic("trim", url, 0, 40) ... (tests/tools/topic.c)."""
    tool = build_tool("topic", tmp_path_factory.mktemp("tools"))

    def act(*arguments, values=()):
        done = subprocess.run([tool, *map(str, arguments)], input="".join(value + "\n" for value in values), capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr

    return act


class KvPut:
    def __init__(self, tool):
        self.tool = tool

    def __call__(self, *arguments):
        return subprocess.run([self.tool, *arguments], capture_output=True, text=True, check=True).stdout

    def bump_format(self, index):
        """Makes the index one of the next format; gives the number it had."""
        current = int.from_bytes(bytes.fromhex(self("get", index, "meta", "format")), "little")
        self("put", index, "meta", "format", (current + 1).to_bytes(4, "little").hex())
        return current


def build_tool(name, folder):
    """tests/tools/NAME.c linked with the library that the program under test was made of, under its own flags."""
    built = PROGRAM.parent / "tests" / "tools" / name
    if built.exists():
        return built
    out = folder / name
    flags = (PROGRAM.parent / "flags").read_text().split() if (PROGRAM.parent / "flags").exists() else []
    sanitizers = [f for f in flags if f.startswith(("-fsanitize", "-fno-sanitize", "--coverage"))]
    libraries = [f for f in flags if f.startswith(("-l", "-L")) or f.endswith(".a")]
    command = ["gcc", "-std=gnu11", "-g", f"-I{ROOT}", *sanitizers, str(ROOT / "tests" / "tools" / f"{name}.c"),
               str(PROGRAM.parent / "libprovmat-core.a"), *libraries, "-lstdc++", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"could not build {name}: {' '.join(command)}\n{done.stderr}"
    return out


class RawLog:
    def __init__(self, tool):
        self.tool = tool

    def append(self, url, records):
        """records: (key, value), (key, value, timestamp_ms) or (key, value, timestamp_ms, origin) in bytes; a value None is a null value."""
        lines = []
        for key, value, *more in records:
            at = more[0] if more else 1_767_600_000_000
            origin = more[1] if len(more) > 1 else b""
            lines.append(f"{at} {key.hex() or '-'} {'null' if value is None else value.hex() or '-'} {origin.hex() or '-'}\n")
        done = subprocess.run([self.tool, "append", url], input="".join(lines), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def dump(self, url):
        """(partition, offset, timestamp_ms, key, value) of every record."""
        return [row[:5] for row in self.dump_origins(url)]

    def dump_origins(self, url):
        """The same with the origin behind it."""
        done = subprocess.run([self.tool, "dump", url], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rows = []
        for line in done.stdout.splitlines():
            partition, offset, timestamp, key, value, origin = line.split(" ")
            data = None if value == "null" else b"" if value == "-" else bytes.fromhex(value)
            rows.append((int(partition), int(offset), int(timestamp), bytes.fromhex(key) if key != "-" else b"", data,
                         bytes.fromhex(origin) if origin != "-" else b""))
        return rows


@pytest.fixture(scope="session", params=["small", "week"])
def real_data(request):
    """(name, event lines, expected answers) of a real data set."""
    return read_data(request.param)


def read_data(name):
    folder = ROOT / "tests" / "data" / name
    lines = gzip.decompress((folder / "events.ndjson.gz").read_bytes()).decode().splitlines()
    return name, lines, json.loads(gzip.decompress((folder / "expected.json.gz").read_bytes()))


@pytest.fixture(scope="session")
def small_data():
    return read_data("small")
