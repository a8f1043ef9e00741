"""The plumbing, with real measurements of tiny sizes: what is written is complete, and tells nothing it should not."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from benchmarks import batch, bm25, collaborative, funnel, startup
from benchmarks.__main__ import main
from benchmarks.evaluations import SETS, evaluate_sets, words
from benchmarks.facts import commit, cpu_model
from benchmarks.runner import BENCHMARKS, ROOT, read_lines, run_benchmarks, run_case, write_lines
from benchmarks.timing import latency, rounded
from recsys.types import Slates

HOME = str(ROOT.parent)


def test_a_measurement_comes_back_from_its_own_process(tmp_path):
    case = {"backend": "rank-bm25", "documents": 200, "reference_queries": 3}
    [line] = run_case("bm25", case, tmp_path)
    assert line["benchmark"] == "bm25"
    assert line["parameters"]["documents"] == 200
    assert line["figures"]["qps"] > 0
    assert line["versions"]["numpy"] == np.__version__
    assert set(line["hardware"]) == {"cpu", "cores", "memory_gib", "system"}
    assert HOME not in json.dumps(line)


def test_bm25_compares_with_the_reference_of_the_same_run(tmp_path):
    size = {"documents": 400, "reference_queries": 5}
    [reference] = bm25.run({"backend": "rank-bm25", **size}, tmp_path)
    [eager] = bm25.run({"backend": "eager", **size}, tmp_path)
    figures = eager["figures"]
    assert figures["overlap"] == 1
    assert figures["max_difference"] < 1e-5
    assert figures["x_reference"] == pytest.approx(figures["qps"] / reference["figures"]["qps"], rel=1e-3)


def test_agreement_sees_wrong_items_and_wrong_scores():
    truth = np.zeros((1, 300))
    truth[0, :150] = np.arange(150, 0, -1)
    right = np.arange(100)
    good = bm25.agreement(Slates.of([right], [truth[0, right]]), truth)
    assert good == {"overlap": 1, "max_difference": 0}
    shifted = right + 50
    bad = bm25.agreement(Slates.of([shifted], [truth[0, shifted] * 1.1]), truth)
    assert bad["overlap"] == 0.5
    assert bad["max_difference"] == pytest.approx(0.1, rel=1e-3)
    assert "max_difference" not in bm25.agreement(Slates.of([right], [truth[0, right]]), truth, scores=False)


@pytest.mark.parametrize("model", ["als", "item-knn"])
def test_both_sides_of_a_model_find_the_same(model, tmp_path):
    [line] = collaborative.run({"model": model, "items": 300, "shoppers": 300}, tmp_path)
    figures = line["figures"]
    same = "implicit_recalculated" if model == "als" else "implicit"
    assert figures[f"overlap_{same}"] > 0.9
    assert figures["x_implicit"] == pytest.approx(figures["recsys_qps"] / figures["implicit_qps"], rel=1e-2)


def test_stages_are_medians_in_order():
    from recsys.result import Result, StageTrace, Trace

    def result(als: float) -> Result:
        stages = (StageTrace("candidates", "als", als, 1, 1), StageTrace("score", "als, dense", 2.0, 1, 1))
        return Result((), Trace(stages))

    assert list(funnel.stages([result(1.0), result(9.0), result(3.0)]).items()) == [("candidates als", 3), ("score", 2)]


def test_funnel_and_batch_share_a_bundle(tmp_path, monkeypatch):
    plain = funnel.config({"items": 300})

    def light(size):  # the ranker's trees would take most of this test's time
        options = {
            name: stage.model_dump()
            for name, stage in plain.candidates.items()
            if name in ("transitions", "popularity")
        }
        return type(plain).of(
            {"candidates": options, "rank": {"lightgbm": {"max_rounds": 5, "patience": 5}}, "seed": size["items"]}
        )

    monkeypatch.setattr(funnel, "config", light)
    monkeypatch.setattr(funnel, "REQUESTS", 5)
    monkeypatch.setattr(funnel, "WARM", 2)
    size = {"items": 120, "shoppers": 150}
    [fit] = funnel.run({"step": "fit", **size}, tmp_path)
    assert fit["figures"]["bundle_mb"] > 0
    assert {"lightgbm", "transitions", "popularity"} < set(fit["figures"]["parts_s"])
    made = (tmp_path / "bundle-120").stat().st_mtime_ns
    [serve] = funnel.run({"step": "serve", **size}, tmp_path)
    assert serve["figures"]["p50_ms"] <= serve["figures"]["p95_ms"]
    assert list(serve["figures"]["stages_p50_ms"])[-1] == "rank lightgbm"
    [many] = batch.run(size, tmp_path)
    assert many["parameters"]["requests"] == 150
    assert many["figures"]["users_per_s"] > 0
    assert (tmp_path / "bundle-120").stat().st_mtime_ns == made


def test_large_catalogues_go_without_ease():
    assert "ease" in funnel.config(funnel.SMALL).candidates
    assert "ease" not in funnel.config(funnel.LARGE).candidates


def test_import_keeps_its_promise(monkeypatch, tmp_path):
    lines = {line["name"]: line["figures"] for line in startup.run({"repeats": 1}, tmp_path)}
    assert lines["import recsys"]["torch_imported"] is False
    monkeypatch.setattr(startup, "LIMIT_S", 0.0)
    with pytest.raises(RuntimeError, match="import recsys"):
        startup.run({"repeats": 1}, tmp_path)


def test_a_failed_benchmark_leaves_its_results_alone(tmp_path, capsys):
    write_lines(tmp_path / "bm25.jsonl", [{"old": 1}])
    broken = [{"backend": "no-such", "documents": 50, "reference_queries": 1}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "cases", lambda quick: broken)
        assert run_benchmarks(["bm25"], tmp_path, tmp_path) == 1
    assert read_lines(tmp_path / "bm25.jsonl") == [{"old": 1}]
    assert "no-such" in capsys.readouterr().err


def test_a_run_replaces_the_results(tmp_path, capsys):
    write_lines(tmp_path / "import.jsonl", [{"old": 1}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(startup, "cases", lambda quick: [{"repeats": 1}])
        assert main(["import", "--results", str(tmp_path)]) == 0
    lines = read_lines(tmp_path / "import.jsonl")
    assert [line["name"] for line in lines] == list(startup.COMMANDS)
    assert not list(tmp_path.glob("*.part"))
    assert "import: " in capsys.readouterr().out


def test_the_command_line_names_what_there_is(capsys):
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "'bm25'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "nonsense"])
    assert "choose among beauty" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bm25", "nonsense"])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_cases_that_are_plain_json(name):
    from benchmarks.runner import module_of

    for quick in (True, False):
        cases = module_of(name).cases(quick)
        assert cases
        assert json.loads(json.dumps(cases)) == cases


def test_absent_data_is_skipped(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    public = [name for name in SETS if name != "shop"]  # which is made, not read: it is never absent
    assert evaluate_sets(public, tmp_path) == 0
    said = capsys.readouterr().out
    assert said.count("skipped") == len(public) > 5
    assert list(tmp_path.iterdir()) == []


def test_evaluations_follow_their_protocol():
    line = words("yelp-masked")
    assert line[0] == "evaluate"
    assert line[line.index("--data") + 1] == "s3rec:yelp"
    assert line[line.index("--repeats") + 1] == "masked"
    assert "--rows" not in line
    assert "popularity,transitions" in words("yelp-masked", quick=True)


def test_sets_of_the_same_data_share_their_fits(tmp_path):
    def kept(name, *more):
        line = words(name, False, *more)
        return "--keep" in line and line[line.index("--keep") + 1]

    for name in ("beauty", "direct-beauty", "yelp", "yelp-masked"):
        assert kept(name, tmp_path / "fits") == str(tmp_path / "fits")
        assert not kept(name)
    # Fits of another seed, or of data that only one set has, would never be read back.
    assert not any(kept(name, tmp_path / "fits") for name in ("beauty-seed-1", "icecat", "shop"))


def test_a_set_that_fails_is_counted_and_leaves_nothing(monkeypatch, tmp_path, capfd):
    folder = tmp_path / "s3rec" / "beauty"
    folder.mkdir(parents=True)
    (folder / "sequences.txt").write_text("", encoding="utf-8")
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert evaluate_sets(["beauty"], tmp_path) == 1
    assert not list(tmp_path.glob("evaluate-*"))
    assert capfd.readouterr().err


def test_latency_is_in_milliseconds():
    found = latency([0.001] * 99 + [0.101])
    assert found == {"qps": 500, "p50_ms": 1, "p95_ms": 1}
    assert rounded(123456.7) == 123500


def test_facts_of_the_machine(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Fast One @ 2 GHz\n", encoding="utf-8")
    assert cpu_model(listing) == "Fast One @ 2 GHz"
    assert cpu_model(tmp_path / "nothing")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert head.startswith(commit().removesuffix("+"))
