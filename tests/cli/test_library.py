"""libprovmat from outside: what `make install` puts where, programs that are built against it, and jobs that fork or are killed."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import PROGRAM, ROOT

BUILD = PROGRAM.parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A tree as `make install` makes it: the environment that finds it, and the tree."""
    if BUILD.name != "release":
        pytest.skip("what is installed is the release build")
    tree = tmp_path_factory.mktemp("installed")
    done = subprocess.run(["make", "-s", "DEPS=no", "PREFIX=/usr", f"DESTDIR={tree}", "install"], cwd=ROOT, capture_output=True, text=True,
                          check=False, env={key: value for key, value in os.environ.items() if not key.startswith("MAKE")})
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PKG_CONFIG_PATH": f"{tree}/usr/lib/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": str(tree),
                   "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1", "LD_LIBRARY_PATH": f"{tree}/usr/lib"}
    return environment, tree / "usr"


def flags(environment, *what):
    return subprocess.run(["pkg-config", *what, "provmat"], capture_output=True, text=True, check=True, env=environment).stdout.split()


def compile_c(environment, source, out, libraries, compiler="cc", more=()):
    command = [compiler, "-Wall", "-Wextra", "-Werror", *more, str(source), "-o", str(out), *flags(environment, "--cflags"), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return out


def assert_story(provmat, log, index):
    """What examples/c/worker.c tells."""
    provmat("materialize", "--once", "--log", log, "--index", index)
    job, = provmat.json_rows("query", "job", "job-1", "--index", index, "-f", "ndjson")
    assert (job["status"], job["computed"], job["reused"]) == ("succeeded", 3, 1)


def test_example_with_the_shared_library(installed, provmat, local, index, tmp_path):
    environment, _ = installed
    program = compile_c(environment, ROOT / "examples/c/worker.c", tmp_path / "worker", flags(environment, "--libs"))
    log = local()
    done = subprocess.run([program], capture_output=True, text=True, check=True, env={**environment, "PROVMAT_LOG": log})
    assert (done.stdout, done.stderr) == ("", "")
    assert "libprovmat.so.0" in subprocess.run(["ldd", program], capture_output=True, text=True, check=True, env=environment).stdout
    assert_story(provmat, log, index())


def test_example_of_a_store(installed, provmat, local, index, tmp_path):
    environment, _ = installed
    program = compile_c(environment, ROOT / "examples/c/cached.c", tmp_path / "cached", flags(environment, "--libs"))
    (tmp_path / "store").mkdir()
    log, said = local(), []
    for job in ("job-1", "job-2"):
        done = subprocess.run([program, tmp_path / "store"], capture_output=True, text=True, check=True,
                              env={**environment, "PROVMAT_LOG": log, "PROVMAT_JOB_ID": job})
        said.append(done.stdout.split())
    assert [word for word, _ in said] == ["computed", "reused"] and said[0][1] == said[1][1]
    assert [event["type"] for event in provmat.json_rows("replay", "--log", log)] == ["ResultComputed", "ResultReused"]


def test_example_with_the_static_library(installed, provmat, local, index, tmp_path):
    environment, tree = installed
    libraries = [tree / "lib/libprovmat.a", *(flag for flag in flags(environment, "--static", "--libs") if flag != "-lprovmat")]
    program = compile_c(environment, ROOT / "examples/c/worker.c", tmp_path / "worker", map(str, libraries))
    log = local()
    subprocess.run([program], check=True, env={**environment, "PROVMAT_LOG": log})
    assert "libprovmat" not in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert_story(provmat, log, index())


def test_example_is_short_and_survives_a_wrong_log(installed, tmp_path):
    environment, _ = installed
    assert len((ROOT / "examples/c/worker.c").read_text().splitlines()) < 40
    program = compile_c(environment, ROOT / "examples/c/worker.c", tmp_path / "worker", flags(environment, "--libs"))
    done = subprocess.run([program], capture_output=True, text=True, check=False, env={**environment, "PROVMAT_LOG": "ftp://x"})
    assert done.returncode == 0
    assert 'option PROVMAT_LOG, "ftp://x"' in done.stderr


def test_header_is_c_and_cxx(installed, tmp_path):
    environment, _ = installed
    source = "#include <provmat_store.h>\nint main(void) { provmat_store_close(0); return provmat_version() == 0; }\n"
    for name, compiler, standard in (("a.c", "cc", "-std=c11"), ("b.cc", "c++", "-std=c++17")):
        (tmp_path / name).write_text(source)
        program = compile_c(environment, tmp_path / name, tmp_path / "program", flags(environment, "--libs"), compiler,
                            [standard, "-pedantic"])
        subprocess.run([program], check=True, env=environment)


# Each header, its manual page and its tests.
HEADERS = {"producer/provmat.h": ("provmat.3", "producer/provmat_test.c"), "provstore/provmat_store.h": ("provmat_store.3", "provstore/put_test.c")}


def declared(header):
    return set(re.findall(r"^PROVMAT_API [^(]*?(provmat_\w+)\(", (ROOT / header).read_text(), re.M))


def test_only_declared_names_are_exported(installed):
    _, tree = installed
    shared = subprocess.run(["nm", "-D", "--defined-only", tree / "lib/libprovmat.so.0"], capture_output=True, text=True, check=True).stdout
    static = subprocess.run(["nm", "-g", "--defined-only", tree / "lib/libprovmat.a"], capture_output=True, text=True, check=True).stdout
    for symbols in (shared, static):
        assert {line.split()[2] for line in symbols.splitlines() if len(line.split()) == 3} == set().union(*map(declared, HEADERS))
    dynamic = subprocess.run(["readelf", "-d", tree / "lib/libprovmat.so.0"], capture_output=True, text=True, check=True).stdout
    assert "Library soname: [libprovmat.so.0]" in dynamic


@pytest.mark.parametrize("header", HEADERS)
def test_every_function_has_its_place_in_the_manual_and_a_test(installed, header):
    _, tree = installed
    name, test = HEADERS[header]
    page = (tree / "share/man/man3" / name).read_text()
    tests = (ROOT / "tests/unit" / test).read_text()
    for name in declared(header):
        assert f"{name}(" in page
        assert f"{name}(" in tests
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=page, capture_output=True, text=True, check=False)
        assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


# What a job does with the library, as a program: argv is LOG OUTBOX EVENTS and a word.
JOB = r"""
#include <provmat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(provmat_producer *p, const char *job, int i)
{
    char path[64];
    struct provmat_result sim = {.size = sizeof sim, .path = path, .kind = PROVMAT_SIM};
    struct provmat_computed event = {.size = sizeof event, .job_id = job, .result = &sim};
    snprintf(path, sizeof path, "s/%s/%d", job, i);
    return provmat_computed(p, &event, NULL);
}

/* In n jobs, each a little later than the last: a child while the library comes up in the job. */
static int early(const struct provmat_options *options, int n)
{
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            provmat_producer *p;
            if (provmat_open(options, &p, NULL) != PROVMAT_OK || say(p, "before", i) != PROVMAT_OK) _exit(1);
            usleep(i * 100);
            pid_t child = fork();
            if (child == 0) _exit(say(p, "child", i) || provmat_close(p, 20000, NULL));
            int status;
            waitpid(child, &status, 0);
            _exit(status != 0 || provmat_close(p, 20000, NULL));
        }
        int status;
        waitpid(pid, &status, 0);
        if (status != 0) return fprintf(stderr, "a fork after %d us\n", i * 100), 3;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct provmat_options options = {.size = sizeof options, .log = argv[1], .linger_ms = 1};
    struct provmat_error err;
    provmat_producer *p;
    if (argc < 5) return 9;
    if (*argv[2]) options.outbox = argv[2];
    if (strstr(argv[4], "always")) options.outbox_mode = PROVMAT_OUTBOX_ALWAYS;
    int n = atoi(argv[3]);
    if (strstr(argv[4], "early")) return early(&options, n);
    if (provmat_open(&options, &p, &err) != PROVMAT_OK) return fprintf(stderr, "%s\n", err.text), 2;
    if (strstr(argv[4], "fork")) {
        say(p, "before", 0);
        for (int child = 0; child < 4; child++) {
            if (fork() != 0) continue;
            for (int i = 0; i < n; i++)
                if (say(p, "child", child * n + i) != PROVMAT_OK) _exit(1);
            _exit(provmat_close(p, 20000, NULL));
        }
        for (int status; wait(&status) > 0;)
            if (status != 0) return 3;
    }
    for (int i = 0; n < 0 || i < n; i++) {
        if (say(p, "job", i) != PROVMAT_OK) continue;
        if (strstr(argv[4], "print")) {
            printf("%d\n", i); /* accepted */
            fflush(stdout);
        }
    }
    if (strstr(argv[4], "late") && provmat_flush(p, 20000, &err) != PROVMAT_OK) return 4;
    if (provmat_close(p, strstr(argv[4], "brief") ? 200 : 20000, &err) != PROVMAT_OK) return fprintf(stderr, "%s\n", err.text), 1;
    return 0;
}
"""


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """JOB, built against the library of the program under test, under its own flags."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "job.c").write_text(JOB)
    (folder / "provmat.h").write_text((ROOT / "producer/provmat.h").read_text())
    known = (BUILD / "flags").read_text().split() if (BUILD / "flags").exists() else []
    more = [flag for flag in known if flag.startswith(("-fsanitize", "-fno-sanitize", "--coverage", "-l", "-L")) or flag.endswith(".a")]
    command = ["gcc", "-std=gnu11", "-g", f"-I{folder}", str(folder / "job.c"), str(BUILD / "libprovmat-core.a"), *more, "-lstdc++", "-o",
               str(folder / "job")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "job"


def results(provmat, log, index):
    provmat("materialize", "--once", "--log", log, "--index", index)
    return provmat.json_rows("query", "jobs", "--index", index, "-f", "ndjson")


def test_children_of_a_fork_tell_by_themselves(job, provmat, local, index):
    log = local()
    subprocess.run([job, log, "", "500", "fork"], check=True, env=provmat.environment)
    found = {row["job_id"]: row["computed"] for row in results(provmat, log, index())}
    assert found == {"before": 1, "child": 2000, "job": 500}
    assert len(provmat.json_rows("replay", "--log", log)) == 2501


# A port that nobody listens on: a broker that is away for the whole run.
AWAY = "kafka://127.0.0.1:1/provenance"


def drain(provmat, box, log, **more):
    return provmat("outbox", "drain", box, "--log", log, **more)


# gcc's AddressSanitizer leaves its allocator locked in a child when another thread allocates at the time of the fork.
not_under_asan = pytest.mark.skipif(BUILD.name == "asan", reason="AddressSanitizer's allocator does not survive a fork beside threads")


@not_under_asan
def test_fork_while_the_log_is_opened(job, provmat, kafka, index):
    log = kafka()
    provmat("log", "create", "--log", log, "--partitions", "3")
    subprocess.run([job, log, "", "120", "early"], check=True, env=provmat.environment)
    assert {row["job_id"]: row["computed"] for row in results(provmat, log, index())} == {"before": 120, "child": 120}


@not_under_asan
def test_job_into_a_topic(job, provmat, kafka, index):
    log = kafka()
    provmat("log", "create", "--log", log, "--partitions", "3")
    subprocess.run([job, log, "", "20000", "fork"], check=True, env=provmat.environment)
    found = {row["job_id"]: row["computed"] for row in results(provmat, log, index())}
    assert found == {"before": 1, "child": 80000, "job": 20000}


def test_broker_away_for_the_whole_run_and_then_a_drain(job, provmat, local, index, tmp_path):
    box, log = tmp_path / "box", local()
    done = subprocess.run([job, AWAY, box, "30000", "brief"], check=False, capture_output=True, text=True, env=provmat.environment,
                          timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    drain(provmat, box, log)
    assert [(row["job_id"], row["computed"]) for row in results(provmat, log, index())] == [("job", 30000)]
    assert list(box.iterdir()) == []


def accepted_before_kill(process, enough):
    """Kills the process when it has told that it accepted enough events; the numbers that were told."""
    told = []
    for line in process.stdout:
        told.append(int(line))
        if len(told) == enough:
            process.kill()
            break
    told += [int(line) for line in process.stdout.read().split("\n")[:-1] if line]
    process.wait()
    process.stdout.close()
    return told


@pytest.mark.parametrize("log_is_away", [True, False])
def test_killed_jobs_lose_nothing_that_was_accepted(job, provmat, local, index, tmp_path, log_is_away):
    box, log = tmp_path / "box", local()
    command = [job, AWAY if log_is_away else log, box, "-1", "always print"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=provmat.environment) for _ in range(3)]
    told = [accepted_before_kill(process, enough) for process, enough in zip(processes, (5000, 12000, 1))]
    provmat("outbox", "list", box, check=(0, 1))
    drain(provmat, box, log)
    at = index()
    rows = results(provmat, log, at)
    assert max(map(len, told)) >= 12000
    assert rows[0]["computed"] >= max(map(len, told))
    paths = {row["result"] for row in provmat.json_rows("query", "results", "--index", at, "-f", "ndjson", "--sort", "none")}
    assert {f"s/job/{number}" for numbers in told for number in numbers} <= paths
    assert list(box.iterdir()) == []


def test_a_killed_job_without_an_outbox_leaves_a_beginning(job, provmat, local, index):
    """What was in the queue is lost; what the log has is whole, once, and without a hole."""
    log, at = local(), index()
    process = subprocess.Popen([job, log, "", "-1", "print"], stdout=subprocess.PIPE, text=True, env=provmat.environment)
    told = accepted_before_kill(process, 20000)
    provmat("materialize", "--once", "--log", log, "--index", at)
    rows = provmat.json_rows("query", "results", "--index", at, "-f", "ndjson", "--sort", "none")
    numbers = sorted(int(row["result"].rpartition("/")[2]) for row in rows)
    assert numbers and numbers == list(range(len(numbers)))
    assert len(numbers) <= len(told) + 1


def test_a_segment_in_use_is_left_alone(job, provmat, local, tmp_path):
    box, log = tmp_path / "box", local()
    process = subprocess.Popen([job, AWAY, box, "-1", "always print"], stdout=subprocess.PIPE, text=True, env=provmat.environment)
    try:
        for _ in range(10):
            process.stdout.readline()
        states = {row["state"] for row in provmat.json_rows("outbox", "list", box, "-f", "ndjson")}
        assert "in use" in states
        assert "in use and left alone" in drain(provmat, box, log).err
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
