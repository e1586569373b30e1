"""`provmat path`: every path that the real code gave (tests/data/golden_ids.json), forwards and backwards."""

import json

import pytest

from conftest import ROOT

GOLDEN = json.loads((ROOT / "tests/data/golden_ids.json").read_text())
NAMES = ("token", "bundle", "default")
# The real validator takes these, and they would not be one path that can be read back: provmat refuses them.
REFUSED_THOUGH_VALID = {"{a[:0]}", "{a[:9]}", "{hash(a)[:0]}", "{shard(a,0,2)}", "{shard(a,2,0)}", "{}", "a{b}}{", ""}


def render(provmat, lines, *arguments, check=0):
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    done = provmat("path", "render", *arguments, "-", input=text, check=check)
    return [json.loads(line)["path"] for line in done.stdout.decode().splitlines()], done.err


def cases_of_the_language():
    for case in GOLDEN["path_dsl"]:
        yield pytest.param(case, id=case["template"] + " " + json.dumps(case["context"]))


@pytest.mark.parametrize("case", list(cases_of_the_language()))
def test_the_language(provmat, case):
    """What the real validator refuses is refused; what it renders is rendered the same, or refused for a reason."""
    done = provmat("path", "render", "--template", case["template"], "-", input=json.dumps(case["context"]) + "\n", check=None)
    rendered = case["renders"].get("ok")
    value = next(iter(case["context"].values()), None)
    if "error" in case["validates"] or case["template"] in REFUSED_THOUGH_VALID:
        assert done.returncode in (2, 6) and not done.stdout
    elif "error" in case["renders"] or value in ("", "../../etc"):
        assert done.returncode == 6 and not done.stdout and "stdin:1:" in done.err
    elif "schema_name" in case["template"]:
        expected = rendered.replace("default-1", "template-1")
        assert json.loads(done.stdout)["path"] == expected
    else:
        assert json.loads(done.stdout)["path"] == rendered


def layouts(generation):
    """The schemas that a generation of the code wrote with, by the name it used."""
    if generation in ("p1-first",):
        return {"bundle": "bundle-refhash", "default": "default-refhash"}
    if generation in ("p2-no-simroot", "p3-token", "p4-timestamps", "p5-offset"):
        return {name: f"{name}-refhash" for name in NAMES}
    if generation == "p6-v2":
        return {"token": "token-v2", "bundle": "bundle-v2", "default": "default"}
    return {name: name for name in NAMES}


def golden_sims():
    for generation in GOLDEN["generations"]:
        for sim in generation["sims"]:
            for name, path in sim.get("sim_path", {}).items():
                schema = layouts(generation["name"]).get(name)
                if isinstance(path, str) and schema:
                    yield schema, path, sim
            cache = sim.get("ok", {}).get("cache")
            if cache and generation["name"].startswith(("c1", "c2")):
                yield "cache", cache, sim
    for sim in GOLDEN["sim_tasks"]:
        for name, path in sim["sim_path"].items():
            yield name, path, sim
        yield "paths-module", sim["provenance_paths_sim_path"].lstrip("/"), sim


def golden_aggs():
    for generation in GOLDEN["generations"]:
        for agg in generation["aggs"]:
            for name, path in agg.get("agg_path", {}).items():
                schema = layouts(generation["name"]).get(name)
                if isinstance(path, str) and schema:
                    yield schema, path, {**agg, "id": agg["aggregation_id"]}
    for agg in GOLDEN["aggregations"]:
        for name, path in agg["agg_path"].items():
            yield name, path, {**agg, "id": agg["aggregation_id"]}
        yield "paths-module", agg["provenance_paths_agg_path"].lstrip("/"), {**agg, "id": agg["utils_aggregation_id"]}


def broken_by_a_port(path):
    return "/" in path.split("s/", 1)[1].split("/", 2)[1] or len(path.split("/")[3]) != 12


def check_golden(provmat, triples, variables):
    """Renders all under their schemas, and finds each again by `path parse`."""
    by_schema = {}
    for schema, path, item in triples:
        if "//" in path:  # an empty segment: no path that anybody could use
            continue
        if schema not in ("cache", "paths-module") and broken_by_a_port(path):
            schema += "-port"
        by_schema.setdefault(schema, []).append((path, variables(item)))
    assert by_schema
    checked = 0
    for schema, pairs in by_schema.items():
        paths, _ = render(provmat, [line for _, line in pairs], "--schema", schema)
        assert paths == [path for path, _ in pairs]
        rows = provmat.json_rows("path", "parse", *sorted(set(paths)))
        for path in set(paths):
            assert schema in {row["schema"] for row in rows if row["path"] == path}
        checked += len(paths)
    return checked


def test_every_golden_simulation(provmat):
    def variables(sim):
        return {"bundle_ref": sim["bundle_ref"], "params": sim["params"], "seed": sim["seed"]}
    assert check_golden(provmat, golden_sims(), variables) > 200


def test_every_golden_aggregation(provmat):
    def variables(agg):
        return {"bundle_ref": agg["bundle_ref"], "target": agg["target"], "aggregation_id": agg["id"]}
    assert check_golden(provmat, golden_aggs(), variables) > 50


def test_the_layout_by_simroot(provmat):
    generation = next(g for g in GOLDEN["generations"] if g["name"] == "c3-simroot")
    sims = [sim for sim in generation["sims"] if "cache" in sim.get("ok", {})]
    assert sims
    lines = [{"params": sim["params"], "seed": sim["seed"], "sim_root": sim["ok"]["sim_root"]} for sim in sims]
    assert render(provmat, lines, "--schema", "cache-simroot")[0] == [sim["ok"]["cache"] for sim in sims]


def test_colliding_parameters_share_their_path(provmat):
    for pair in GOLDEN["colliding_parameter_sets"]["pairs"]:
        lines = [{"bundle_digest": "a" * 64, "params": params, "seed": 1} for params in pair["params"]]
        assert render(provmat, lines)[0] == [pair["path"]] * 2


def test_parse_keeps_what_agrees(provmat):
    path = "token/v1/sims/aaaaaaaaaaaa/e7/8d/params_66157bd2/seed_42"
    every = provmat.json_rows("path", "parse", path)
    assert [row["schema"] for row in every] == ["token", "token-hashed", "token-refhash"]
    assert every[0]["reveals"]["param_id"] == {"prefix": "66157bd2", "hash": "e78d"}
    assert every[0]["reveals"]["seed"] == {"value": "42"}
    one = provmat.json_rows("path", "parse", path, "--set", "bundle_ref=sha256:" + "a" * 64, "--set", "model_digest=" + "c" * 64)
    assert [row["schema"] for row in one] == ["token"]
    none = provmat("path", "parse", path, "--params", '{"x":1}', check=1)
    assert not none.stdout and "no schema that agrees" in none.err
    assert "of no schema" in provmat("path", "parse", "not/a/path", check=1).err


def test_check_states_the_budget(provmat):
    rows = provmat.json_rows("path", "check", "--schema", "token-drawn", "--results", 100000)
    row = next(row for row in rows if row["variable"] == "param_id")
    assert (row["bits"], round(row["pairs"], 2), round(row["chance"], 2)) == (32, 1.16, 0.69) and "expected" in row["note"]
    assert {row["variable"] for row in rows if row["keeps"] == "nothing" and row["kind"] == "sim"} == {"model_digest", "entrypoint"}


def test_own_schemas(provmat, tmp_path):
    own = tmp_path / "own.json"
    own.write_text('{"name":"mine","sim":"{job_id}/{shard(param_id,1,2)}/{seed}"}')
    rows = provmat.json_rows("path", "check", "--schema-file", own)
    assert {row["schema"] for row in rows} == {"mine"}
    assert "no other job" in next(row for row in rows if row["variable"] == "job_id" and row["kind"] == "sim")["note"]
    done = provmat("path", "render", "--schema", "mine", "--schema-file", own, "--set", "job_id=j", "--set", "param_id=x", "--set", "seed=1")
    assert json.loads(done.stdout)["path"] == "mine/v1/j/d1/1"
    own.write_text('{"name":"mine","sim":"{seed[:0]}"}')
    done = provmat("path", "check", "--schema-file", own, check=2)
    for word in (str(own), 'field "sim"', "byte offset 21", "byte offset 7"):
        assert word in done.err
    assert 'did you mean "token"' in provmat("path", "render", "--schema", "tokn", check=2).err


def test_a_refused_line_does_not_stop_the_others(provmat):
    lines = [{"bundle_digest": "a" * 64, "param_id": "x" * 9, "seed": 1}, {"seed": None}, {"bundle_digest": "a/b" * 8, "param_id": "y" * 9, "seed": 2},
             {"bundle_digest": "b" * 64, "param_id": "z" * 9, "seed": True}]
    paths, err = render(provmat, lines, check=6)
    assert len(paths) == 2 and paths[1].endswith("seed_True")
    assert "stdin:2:" in err and '"seed"' in err and "stdin:3:" in err and '"/"' in err


def test_candidates_are_what_the_index_knows(provmat, local, index):
    """Two parameter sets that collide are both candidates; what the path holds whole has none."""
    log, at = local(), index()
    pair = GOLDEN["colliding_parameter_sets"]["pairs"][0]
    common = {"type": "ResultComputed", "job_id": "j", "occurred_at": "2026-01-05T09:00:00Z", "kind": "sim"}
    provmat.emit(log, [{**common, "result": f"r{i}", "params": params, "bundle_digest": "a" * 64, "model_digest": "sha256:" + "c" * 64}
                       for i, params in enumerate(pair["params"] + [{"x": 1}])])
    provmat("--log", log, "--index", at, "materialize", "--once")
    rows = {row["schema"]: row for row in provmat.json_rows("--index", at, "path", "parse", "--candidates", pair["path"])}
    assert rows["token"]["candidates"] == {"bundle_digest": ["a" * 64], "param_id": pair["param_ids"]}
    assert "model_digest" not in rows["token-hashed"]["candidates"]
    by_model = "token/v1/sims/101f51137ec9/" + pair["path"].split("/", 4)[4]
    rows = {row["schema"]: row for row in provmat.json_rows("--index", at, "path", "parse", "--candidates", by_model)}
    assert rows["token-hashed"]["candidates"]["model_digest"] == ["c" * 64] and "bundle_digest" not in rows["token"]["candidates"]
    assert "no index" in provmat("--index", at + "-absent", "path", "parse", "--candidates", pair["path"], check=3).err
    assert "candidates" not in provmat.json_rows("path", "parse", pair["path"])[0]
