"""The two real data sets against the answers that the notes of their making give."""

from reference import compare, events, expected
from reference.program import ProgramAnswers
from reference.world import World


def sample_of(want, n):
    paths = sorted(path for path, row in want["results"].items() if row["in_log"])
    return paths[:: max(1, len(paths) // n)]


def hold(provmat, log, index, real_data, n_results):
    name, lines, want = real_data
    provmat.emit(log, lines)
    provmat("materialize", "--once", "--log", log, "--index", index)
    differences = list(expected.differences(ProgramAnswers(provmat, index), want, sample_of(want, n_results)))
    assert differences == [], name
    assert provmat.json_rows("--index", index, "stats")[0]["events"] == want["totals"]["events"]
    return name, lines


def test_expected_answers(provmat, local, index, real_data):
    log, at = local(), index()
    name, lines = hold(provmat, log, at, real_data, 150)
    world = World(events.read(provmat("replay", "--log", log).stdout.decode().splitlines()))
    compare.hold(ProgramAnswers(provmat, at), world, len(lines), name, "real data", 15)
    assert provmat("--index", at, "verify", "--against-log", "--log", log)


def test_replay_gives_the_lines_back(provmat, local, real_data):
    _, lines, _ = real_data
    log = local()
    provmat.emit(log, lines)
    back = provmat("replay", "--log", log).stdout.decode().splitlines()

    def comparable(event):
        return events.canonical({key: value for key, value in event.items() if key != "event_id"})

    assert [comparable(e) for e in events.read(back)] == [comparable(e) for e in events.read(lines)]


def test_emitting_twice_changes_no_answer(provmat, local, index, real_data):
    _, lines, want = real_data
    log, at = local(), index()
    provmat.emit(log, lines)
    provmat.emit(log, lines)
    provmat("materialize", "--once", "--log", log, "--index", at)
    assert list(expected.differences(ProgramAnswers(provmat, at), want, sample_of(want, 20))) == []
    assert provmat.json_rows("--index", at, "stats")[0]["events"] == 2 * want["totals"]["events"]
