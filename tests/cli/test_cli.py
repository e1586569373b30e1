"""The command line: help, "did you mean", flags and where they stand, settings and which one wins, exit codes, pipes, signals, emit and replay."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import PROGRAM, ROOT

STATUS = '{"type":"JobStatusChanged","job_id":"job-%d","status":"running","occurred_at":%d}'


def status(number=1, at=1):
    return STATUS % (number, at)


@pytest.fixture
def commands(provmat):
    return provmat("help", "--list").stdout.decode().splitlines()


# ---- help ----
def test_every_command_has_help_with_runnable_examples(provmat, commands):
    assert {"emit", "replay", "materialize", "query job", "query jobs", "query result", "query results", "query conflicts", "stats",
            "rebuild", "verify", "quarantine list", "quarantine show", "quarantine retry", "log create", "log info"} <= set(commands)
    for command in commands:
        text = provmat("help", *command.split()).stdout.decode()
        assert provmat(*command.split(), "--help").stdout.decode() == text
        assert provmat("--help", *command.split()).stdout.decode() == text
        assert provmat(*command.split(), "-h", "--log", "local:x").stdout.decode() == text
        examples = re.findall(r"^  # .+\n  (.+)$", text, re.M)
        assert examples and all("provmat" in example for example in examples), command
        assert "Exit status" in text and "--index" in text


def test_examples_use_flags_that_exist(provmat, commands):
    """Every `provmat ...` of an example is accepted as a command line: with --help behind it, it is not wrong before it begins."""
    for command in commands:
        text = provmat("help", *command.split()).stdout.decode()
        for example in re.findall(r"^  # .+\n  (.+)$", text, re.M):
            for call in re.findall(r"provmat ([^|()>]+)", example):
                words = re.sub(r"'[^']*'", "x", call).split()
                done = provmat(*words, "--log", "bad:url", "--index", "nowhere", check=None)
                assert "unknown" not in done.err and "takes no" not in done.err and "needs" not in done.err, (example, done.err)


def test_printed_queries_find_something(provmat, local, index, commands):
    """The queries of the pages and of the help are about the events of the demo: whoever types one sees rows."""
    log, at = local(), index()
    provmat("emit", "--log", log, ROOT / "examples" / "week" / "events.ndjson")
    provmat("materialize", "--once", "--log", log, "--index", at)
    pages = "\n".join((ROOT / name).read_text() for name in ("README.md", "examples/README.md"))
    calls = re.findall(r"^ *(?:build/)?provmat (query .+)$", pages, re.M)
    assert len(calls) > 5
    for command in commands:
        if command.startswith("query"):
            calls += re.findall(r"^  provmat (query .+)$", provmat("help", *command.split()).stdout.decode(), re.M)
    calls = [call.split("#")[0].split() for call in calls]
    for words in [words for words in calls if "[" not in "".join(words)]:
        assert provmat("--index", at, *words).stdout, words


def test_help_fits_eighty_columns(provmat, commands):
    for command in ["", *commands]:
        for line in provmat("help", *command.split()).stdout.decode().splitlines():
            assert len(line) <= 80 or line.startswith("  provmat") or "echo" in line or "://" in line or "source" in line, line


def test_no_command_is_a_usage_error(provmat):
    done = provmat(check=2)
    assert done.stdout == b"" and "materialize" in done.err
    done = provmat("query", check=2)
    assert done.stdout == b"" and "query jobs" in done.err
    assert "query jobs" in provmat("help", "query").stdout.decode()


def test_version(provmat):
    for flag in ("--version", "-V"):
        assert re.fullmatch(rb"provmat \d+\.\d+\.\d+ \(librdkafka [^)]+\)\n", provmat(flag).stdout)


def test_help_needs_no_sound_configuration(provmat, tmp_path):
    (tmp_path / "bad.conf").write_text("nonsense\n")
    provmat("help", "emit", env={"PROVMAT_CONFIG": str(tmp_path / "bad.conf")})
    provmat("emit", "--help", env={"PROVMAT_CONFIG": str(tmp_path / "bad.conf")})


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_manual_pages_are_sound(provmat, commands):
    for command in ["", *commands]:
        page = provmat("help", "--man", *command.split()).stdout
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style"], input=page, capture_output=True, check=False).stdout.decode()
        findings = [line for line in lint.splitlines() if "referenced manual not found" not in line and "mandoc.db" not in line]
        assert not findings, (command, findings)
        text = subprocess.run(["mandoc", "-T", "ascii"], input=page, capture_output=True, check=True).stdout.decode()
        text = re.sub(".\b", "", text)
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"):
            assert f"\n{section}\n" in "\n" + text, (command, section)


# ---- completion ----
COMPLETIONS = [
    (["provmat", "q"], {"query", "quarantine"}),
    (["provmat", "query", ""], {"job", "jobs", "result", "results", "conflicts"}),
    (["provmat", "--log", "local:x", "query", "re"], {"result", "results"}),
    (["provmat", "query", "results", "--role", ""], {"computed", "reused", "failed", "expected"}),
    (["provmat", "emit", "--d"], {"--dry-run"}),
    (["provmat", "stats", "-f", "j"], {"json"}),
    (["provmat", "completion", ""], {"bash", "zsh", "fish"}),
]


def test_completion_of_bash(provmat):
    script = provmat("completion", "bash").stdout.decode() + """
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _provmat; printf '%s\\n' "${COMPREPLY[@]}" """
    for words, want in COMPLETIONS:
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, check=True, text=True)
        assert set(done.stdout.split()) == want, words


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_completion_of_zsh(provmat):
    script = 'compdef() { : }; compadd() { shift; print -l -- $*; }\n' + provmat("completion", "zsh").stdout.decode() + """
        words=("$@"); CURRENT=$#; _provmat"""
    for words, want in COMPLETIONS:
        done = subprocess.run(["zsh", "-f", "-c", script, "zsh", *words], capture_output=True, check=True, text=True)
        assert want <= set(done.stdout.split()), (words, done.stderr)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_completion_of_fish(provmat, tmp_path):
    file = tmp_path / "provmat.fish"
    file.write_bytes(provmat("completion", "fish").stdout)
    for words, want in COMPLETIONS:
        done = subprocess.run(["fish", "--no-config", "-c", f"source {file}; complete -C '{' '.join(words)}'"], capture_output=True,
                              check=True, text=True, env={**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"})
        got = {line.split("\t")[0] for line in done.stdout.splitlines()}
        assert want <= got, (words, got)


def test_completion_of_another_shell(provmat):
    assert "tcsh" in provmat("completion", "tcsh", check=2).err


# ---- did you mean ----
@pytest.mark.parametrize("arguments, says", [
    (["emti"], ['"emti"', '"emit"']),
    (["jobs"], ['"query jobs"']),
    (["qery"], ['"query"']),
    (["query", "jbos"], ['"query jbos"', '"query jobs"']),
    (["help", "emti"], ['"emit"']),
    (["help", "query", "reslt"], ['"query result']),
    (["emit", "--dry-rnu"], ["--dry-rnu", "--dry-run"]),
    (["replay", "--form", "0:1"], ["--form", "--from"]),
    (["--lgo", "local:x", "stats"], ["--lgo", "--log"]),
    (["stats", "-f", "jsno"], ["jsno", '"json"']),
    (["query", "results", "--job", "x", "--role", "reusd"], ["reusd", '"reused"']),
    (["query", "jobs", "--status", "suceeded"], ["suceeded", '"succeeded"']),
    (["-X", "provmat.shcemas=x", "stats"], ["provmat.shcemas", "provmat.schemas"]),
    (["-X", "batch.sise=5", "stats"], ["batch.sise", "batch.size"]),
    (["rebuild", "--view", "job_result"], ["job_result", "job_results"]),
])
def test_did_you_mean(provmat, arguments, says):
    done = provmat(*arguments, check=2)
    assert done.stdout == b"" and done.err.startswith("provmat: ") and "did you mean" in done.err
    for word in says:
        assert word in done.err, done.err


@pytest.mark.parametrize("arguments, says", [
    (["frobnicate"], ["frobnicate", "provmat help"]),
    (["emit", "--frobnicate"], ["--frobnicate", "provmat help emit"]),
    (["emit", "-z"], ["-z"]),
    (["emit", "--limit", "4"], ["emit", "--limit"]),
    (["emit", "--log"], ["--log", "URL"]),
    (["emit", "-X"], ["NAME=VALUE"]),
    (["emit", "--dry-run=yes"], ["--dry-run", "yes"]),
    (["query", "job"], ["JOB"]),
    (["query", "job", "a", "b"], ['"b"']),
    (["stats", "more"], ['"more"']),
    (["query", "jobs", "--limit", "ten"], ["--limit", '"ten"']),
    (["query", "jobs", "--limit=-1"], ["--limit", '"-1"']),
    (["query", "jobs", "--since", "yesterday"], ["--since", "yesterday"]),
    (["replay", "--until", "2026-01-05T09:00:00"], ["--until", "offset"]),
    (["replay", "--from", "7"], ["--from", "PARTITION:OFFSET"]),
    (["replay", "--from", "-1:7"], ["--from", "-1:7"]),
    (["replay", "--from", "0:9223372036854775808"], ["--from"]),
    (["replay", "--from", "5000:0"], ["5000", "1023"]),
    (["log", "create", "--partitions", "0"], ["--partitions", "1..1024"]),
    (["quarantine", "show", "7"], ["PARTITION:OFFSET", "quarantine list"]),
    (["--log", "sqlite:x", "replay"], ["sqlite:x", "local:DIR"]),
    (["--log", "kafka://host:1", "replay"], ["TOPIC"]),
    (["--index"], ["--index", "DIR"]),
    (["--limit", "1"], ["--limit", "command"]),
])
def test_usage_errors(provmat, arguments, says):
    done = provmat(*arguments, check=2)
    assert done.stdout == b"" and len(done.err.splitlines()) == 1 and done.err.startswith("provmat: "), done.err
    for word in says:
        assert word in done.err, done.err


# ---- flags may stand anywhere ----
def test_flags_before_between_and_after(provmat, local):
    log = local()
    provmat.emit(log, [status()])
    want = provmat("--log", log, "log", "info", "-f", "json").stdout
    assert json.loads(want)["events"] == 1
    for arguments in (["log", "--log", log, "info", "--format=json"], ["log", "info", f"--log={log}", "-fjson"],
                      ["-qf", "json", "log", "info", "--log", log], ["-f", "csv", "--log", log, "log", "info", "-f", "json"]):
        assert provmat(*arguments).stdout == want, arguments


def test_two_dashes_end_the_flags(provmat, local, tmp_path):
    (tmp_path / "home" / "--log").write_text(status() + "\n")
    provmat("--log", local(), "emit", "--", "--log")


# ---- settings ----
def dumped(provmat, *arguments, **more):
    return dict(line.split("=", 1) for line in provmat("-X", "dump", *arguments, **more).stdout.decode().splitlines())


def test_which_setting_wins(provmat, tmp_path):
    named, home = tmp_path / "named.conf", tmp_path / "home" / ".config"
    home.mkdir()
    (home / "provmat.conf").write_text("provmat.log=local:home\nprovmat.index=home\nprovmat.format=csv\n")
    named.write_text("\n# a comment\n  provmat.log = local:file \r\nprovmat.index=file\nbatch.size=5\nbatch.size=6\n")

    def settled(*arguments, **env):
        got = dumped(provmat, *arguments, env=env)
        return got["provmat.log"], got["provmat.index"], got["provmat.format"], got["batch.size"]

    assert settled()[:3] == ("local:home", "home", "csv")
    assert settled(PROVMAT_LOG="local:env", PROVMAT_INDEX="env")[:3] == ("local:env", "env", "csv")
    assert settled("-F", named) == ("local:file", "file", "ndjson", "6"), "the file that is named stands in the place of the one at home"
    assert settled(PROVMAT_CONFIG=str(named))[0] == "local:file"
    assert settled("-F", "/dev/null", PROVMAT_CONFIG=str(named))[:2] == ("local:./provmat-data/log", "./provmat-data/index")
    assert settled("-F", named, PROVMAT_LOG="local:env")[0] == "local:env"
    assert settled("-F", named, PROVMAT_LOG="")[0] == "local:file", "an empty variable says nothing"
    assert settled("-F", named, "-X", "provmat.log=local:x", "-X", "batch.size=7", PROVMAT_LOG="local:env")[::3] == ("local:x", "7")
    assert settled("-F", named, "--log", "local:flag", "-X", "provmat.log=local:x", PROVMAT_LOG="local:env")[0] == "local:flag"
    assert settled("-f", "json", "-F", named)[2] == "json"


def test_log_of_the_environment_is_used(provmat, local):
    log = local()
    provmat("emit", input=status(), env={"PROVMAT_LOG": log})
    assert len(provmat.json_rows("replay", "--log", log)) == 1


def test_secrets_are_masked(provmat):
    text = provmat("-X", "sasl.password=hunter2", "-X", "dump").stdout.decode()
    assert "hunter2" not in text and "sasl.password=***" in text


def test_names_of_all_settings(provmat):
    names = provmat("-X", "list").stdout.decode().splitlines()
    assert {"provmat.log", "provmat.index", "schema.registry.url", "message.max.bytes", "client.id"} <= set(names)


@pytest.mark.parametrize("line, says", [
    ("nonsense", ['"nonsense"', "NAME=VALUE"]),
    ("=value", ["name"]),
    ("provmat.lgo=x", ["provmat.lgo", "provmat.log"]),
    ("provmat.frobnicate=1", ["provmat.frobnicate"]),
    ("provmat.format=yaml", ["yaml"]),
    ("provmat.log=", ["provmat.log", "empty"]),
    ("provmat.timeout.ms=soon", ["soon"]),
    ("frobnicate=1", ["frobnicate"]),
    ("linger.ms=soon", ["linger.ms"]),
    ("a\0b=1", ["NUL"]),
])
def test_bad_lines_of_a_file(provmat, tmp_path, line, says):
    (tmp_path / "home" / "bad.conf").write_text(f"# fine\n\n{line}\n")
    done = provmat("-F", "bad.conf", "stats", check=2)
    assert "bad.conf:3: " in done.err
    for word in says:
        assert word in done.err, done.err


def test_files_that_are_missing(provmat):
    assert "nowhere.conf" in provmat("-F", "nowhere.conf", "-X", "dump", check=2).err
    assert "nowhere.conf" in provmat("-X", "dump", env={"PROVMAT_CONFIG": "nowhere.conf"}, check=2).err
    provmat("-X", "dump")  # none at home is fine


# ---- stdout, stderr, pipes, signals ----
def test_nothing_but_data_on_stdout(provmat, local, index):
    log, at = local(), index()
    for arguments in (["emit", "--log", log], ["materialize", "--once", "--log", log, "--index", at], ["rebuild", "--index", at]):
        done = provmat(*arguments, input=status())
        assert done.stdout == b"" and done.err.startswith("provmat: ") and "\033" not in done.err and "\r" not in done.err
        done = provmat("-q", *arguments, input=status())
        assert done.stdout == b"" and done.err == ""


def many(provmat, local, count=20000):
    log = local()
    provmat("emit", "-q", "--log", log, input="".join(status(n, n) + "\n" for n in range(count)))
    return log


def test_a_closed_pipe_ends_it_quietly(provmat, local):
    process = provmat.start("replay", "--log", many(provmat, local))
    assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) in (-signal.SIGPIPE, 0)


def test_a_full_disk_is_told(provmat, local):
    log = many(provmat, local, 10)
    for arguments in (["replay", "--log", log], ["log", "info", "--log", log], ["help"]):
        with open("/dev/full", "wb") as full:
            process = provmat.start(*arguments, stdout=full)
            err = process.stderr.read().decode()
            assert process.wait(30) == 3 and "No space left" in err, (arguments, err)


def test_closed_stdout_does_not_damage_the_log(provmat, local):
    """A log that is opened while stdout is closed must not become stdout."""
    log = many(provmat, local, 100)
    shell = f'exec "{PROGRAM}" replay --log "{log}" >&-'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, env=provmat.environment, cwd=provmat.cwd, check=False)
    assert done.returncode == 3 and b"provmat: could not write the output" in done.stderr
    assert len(provmat.json_rows("replay", "--log", log)) == 100


def on_terminal(provmat, *arguments, env=None):
    """What the program writes when stdout and stderr are a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=other, stderr=other, cwd=provmat.cwd,
                               env={**provmat.environment, "TERM": "xterm", **(env or {})})
    os.close(other)
    text = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(main)
    assert process.wait(30) == 0
    return text.decode()


def test_a_terminal_gets_a_table_and_a_pipe_gets_ndjson(provmat, local):
    log = many(provmat, local, 3)
    assert "identity" in on_terminal(provmat, "log", "info", "--log", log) and "{\"url\"" not in on_terminal(provmat, "log", "info", "--log", log)
    assert json.loads(provmat("log", "info", "--log", log).stdout)["events"] == 3
    assert json.loads(on_terminal(provmat, "log", "info", "--log", log, "-f", "json"))["events"] == 3


def test_sigint_of_emit_keeps_what_was_read(provmat, local):
    log = local()
    process = provmat.start("emit", "--log", log, stdin=subprocess.PIPE)
    process.stdin.write(status().encode() + b"\n")
    process.stdin.flush()
    for _ in range(3000):
        if provmat("replay", "--log", log, check=None).stdout:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("a line that was read was not appended while the input paused")
    process.send_signal(signal.SIGINT)
    process.wait(30)
    err = process.stderr.read().decode()
    process.stdin.close()
    assert process.returncode == -signal.SIGINT and "1 event appended, 0 rejected" in err


# ---- emit ----
def test_emit_of_several_files_and_stdin(provmat, local, tmp_path):
    log = local()
    (tmp_path / "home" / "a").write_text(status(1, 1) + "\n")
    (tmp_path / "home" / "b").write_text(status(2, 2))
    done = provmat("emit", "--log", log, "a", "-", "b", input=status(3, 3))
    assert done.err == "provmat: 3 events appended, 0 rejected\n"
    assert [row["job_id"] for row in provmat.json_rows("replay", "--log", log)] == ["job-1", "job-3", "job-2"]


def test_emit_looks_at_all_files_first(provmat, local, tmp_path):
    log = local()
    (tmp_path / "home" / "a").write_text(status() + "\n")
    for bad in ("nowhere", "."):
        done = provmat("emit", "--log", log, "a", bad, check=2)
        assert f'"{bad}"' in done.err
    assert not os.path.exists(log.removeprefix("local:")), "the first file was appended although the second is wrong"


@pytest.mark.parametrize("text, lines", [
    (b"\n\n  \t\r\n@\n\n@\n", 2), (b"@\r\n@\r\n", 2), (b"@", 1), (b"\xef\xbb\xbf@\n@\n", 2), (b"\xef\xbb\xbf", 0), (b"", 0), (b"\n", 0),
])
def test_shapes_of_input(provmat, local, text, lines):
    done = provmat("emit", "--log", local(), input=text.replace(b"@", status().encode()))
    assert f"{lines} event{'' if lines == 1 else 's'} appended, 0 rejected" in done.err


def test_a_byte_order_mark_inside_is_refused(provmat, local):
    done = provmat("emit", "--log", local(), input=status().encode() + b"\n\xef\xbb\xbf" + status().encode() + b"\n", check=6)
    assert "stdin:2: " in done.err


def test_line_numbers_over_many_blocks(provmat, local):
    """Bad lines here and there in megabytes of input, and one longer than any limit: all told, in order, all else appended in order."""
    log, lines, bad = local(), [], []
    for number in range(1, 12001):
        if number % 1237 == 0:
            bad.append(number)
            lines.append("x" * (3 << 20) if number == 1237 * 4 else "nonsense")
        elif number % 100 == 0:
            lines.append("")
        else:
            lines.append(status(number, number).replace("}", ',"worker":"' + "w" * (number % 300) + '"}'))
    done = provmat("emit", "--log", log, input="\n".join(lines), check=6)
    said = done.err.splitlines()
    assert [int(line.split(":")[1]) for line in said[:-1]] == bad and all(line.startswith("stdin:") for line in said[:-1])
    assert "1048576" in said[3]
    want = [f"job-{n}" for n in range(1, 12001) if n % 1237 and n % 100]
    assert said[-1] == f"provmat: {len(want):,} events appended, {len(bad)} rejected"
    assert [row["job_id"] for row in provmat.json_rows("replay", "--log", log)] == want


def test_lines_without_time_keep_their_order(provmat, local):
    log = local()
    lines = ['{"type":"JobStatusChanged","job_id":"j","status":"%s"}' % ("running" if n % 2 else "pending") for n in range(30000)]
    provmat("emit", "-q", "--log", log, input="\n".join(lines))
    times = [row["occurred_at"] for row in provmat.json_rows("replay", "--log", log)]
    assert len(times) == 30000 and all(a < b for a, b in zip(times, times[1:]))


def test_the_same_line_is_the_same_event(provmat, local):
    log = local()
    line = '{"type":"JobStatusChanged","job_id":"j","status":"running"}\n'
    provmat("emit", "--log", log, input=line)
    provmat("emit", "--log", log, input=line)
    one, other = provmat.json_rows("replay", "--log", log)
    assert one["event_id"] == other["event_id"] and one["occurred_at"] < other["occurred_at"]


def test_dry_run_needs_no_log(provmat):
    done = provmat("emit", "--dry-run", "--log", "kafka://127.0.0.1:1/none", input=status() + "\nnonsense\n", check=6)
    assert "stdin:2: " in done.err and "nothing appended" in done.err.splitlines()[-1]


# ---- replay ----
def test_replay_from_and_until(provmat, local):
    log = local()
    provmat("log", "create", "--log", log, "--partitions", "3")
    provmat.emit(log, [status(n, n * 1_000_000) for n in range(300)])
    rows = provmat.json_rows("replay", "--log", log)
    places = [(row["_partition"], row["_offset"]) for row in rows]
    assert places == sorted(places) and {p for p, _ in places} == {0, 1, 2} and len(places) == 300
    assert [(r["_partition"], r["_offset"]) for r in provmat.json_rows("replay", "--log", log, "--from", "1:20", "--from", "0:5")] == [
        (p, o) for p, o in places if not (p == 1 and o < 20) and not (p == 0 and o < 5)]
    for until in ("1970-01-01T00:01:40Z", "100000000", "1969-12-31T19:01:40-05:00"):
        assert {r["job_id"] for r in provmat.json_rows("replay", "--log", log, "--until", until)} == {f"job-{n}" for n in range(101)}
    last = max(o for p, o in places if p == 2) + 1
    provmat("replay", "--log", log, "--from", f"2:{last}")
    assert f"{last}" in provmat("replay", "--log", log, "--from", f"2:{last + 1}", check=2).err
    assert "0..2" in provmat("replay", "--log", log, "--from", "3:0", check=2).err


def test_replay_is_what_emit_reads(provmat, local, small_data):
    log, copy = local(), local()
    provmat.emit(log, small_data[1])
    text = provmat("replay", "--log", log).stdout
    provmat("emit", "--log", copy, input=text)
    assert provmat("replay", "--log", copy).stdout == text


# ---- exit codes ----
def test_a_log_that_is_there_already(provmat, local):
    log = local()
    provmat("log", "create", "--log", log, "--partitions", "2")
    assert "exists" in provmat("log", "create", "--log", log, check=4).err


def test_an_empty_quarantine_is_nothing_found(provmat, local, index):
    log, at = local(), index()
    provmat.emit(log, [status()])
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert provmat("quarantine", "list", "--index", at, check=1).stdout == b""
    assert json.loads(provmat("quarantine", "list", "--index", at, "-f", "json", check=1).stdout) == []


def test_materialize_remembers_its_log(provmat, local, index):
    log, at = local(), index()
    provmat.emit(log, [status(1)])
    provmat("materialize", "--once", "--log", log, "--index", at)
    provmat.emit(log, [status(2)])
    provmat("materialize", "--once", "--index", at)
    assert provmat.json_rows("stats", "--index", at)[0]["events"] == 2


def test_verify_prints_a_row_a_view(provmat, local, index):
    log, at = local(), index()
    provmat.emit(log, [status(1)])
    provmat("materialize", "--once", "--log", log, "--index", at)
    rows = provmat.json_rows("verify", "--index", at)
    assert rows and all(list(row) == ["view", "version", "rows", "digest", "ok"] and row["ok"] is True for row in rows)
    assert provmat.json_rows("verify", "--index", at, "--against-log") == rows


def test_sources_and_table_agree(commands):
    """Every command's function is in a file of cli/, and every file cmd_*.c holds a command."""
    sources = {path.name: path.read_text() for path in (ROOT / "cli").glob("cmd_*.c")}
    for command in commands:
        name = "pm_cmd_" + command.replace(" ", "_")
        assert any(f"int {name}(" in text for text in sources.values()), name
    for file, text in sources.items():
        assert "int pm_cmd_" in text, file


@pytest.mark.parametrize("arguments", [["materialize", "--once"], ["rebuild"], ["replay"], ["log", "info"]])
def test_a_log_that_is_not_there_is_exit_4(provmat, index, tmp_path, arguments):
    log = f"local:{tmp_path}/nowhere"
    done = provmat(*arguments, "--log", log, "--index", index(), check=4)
    assert log in done.err and "provmat log create" in done.err and done.stdout == b""
