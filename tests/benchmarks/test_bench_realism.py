"""Realism: every study is a command that the engine has, and its tables say what the files say."""

from __future__ import annotations

import json

import pytest

from benchmarks import evaluations, realism, realism_tables, tables
from benchmarks.realism import STUDIES, TIE_ROWS, TIE_SEEDS, path_of, refresh
from benchmarks.runner import write_lines
from recsys.eval.results import Results


def results(name, rows, **fields):
    about = {
        "data": name, "split": "leave-one-out", "users": 50, "items": 9, "seed": 0, "settings_hash": "a",
        "best_by_validation": None, "rows": rows, **fields,
    }  # fmt: skip
    return json.dumps(Results.of(**about).to_dict())


def row(name, ndcg, **more):
    return {"name": name, "metrics": {"ndcg@10": ndcg, "hr@10": 2 * ndcg}, **more}


def test_every_study_is_a_line_that_the_command_line_takes():
    from typer.main import get_command

    from recsys.cli.app import app

    verbs = get_command(app).commands
    for study in STUDIES.values():
        for words in (study.words, study.small):
            context = verbs[words[0]].make_context(words[0], [*words[1:], "--json", "x.json"], resilient_parsing=False)
            assert context.params["json_file"] is not None


def test_a_study_is_made_and_one_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert refresh(["ties-of-file"], tmp_path) == 1
    assert "skipped, musical-instruments" in capsys.readouterr().out
    monkeypatch.setitem(STUDIES, "broken", realism.Study(("evaluate", "--data", "shop", "--split", "nonsense"), "shop"))
    assert refresh(["broken"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_study_goes_to_its_file(tmp_path, monkeypatch):
    ran = []

    def run(command, cwd, check):
        ran.append(command)
        (tmp_path / "realism-ab-same.part").write_text("{}")
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(evaluations.subprocess, "run", run)
    assert refresh(["ab-same"], tmp_path, quick=True) == 0
    assert path_of("ab-same", tmp_path).read_text() == "{}"
    assert ran[0][1:4] == ["-m", "recsys", "simulate"]
    assert "--folder" in ran[0]
    assert "--size" in ran[0]


def test_ties_are_the_mean_over_seeds(tmp_path):
    assert tables.TABLES["realism-ties"](tmp_path) == realism_tables.MISSING
    path_of("ties-of-file", tmp_path).write_text(results("m", [row(name, 0.10) for name in TIE_ROWS]))
    for seed, value in zip(TIE_SEEDS, (0.07, 0.08, 0.09), strict=True):
        shuffled = [row(name, value) for name in TIE_ROWS]
        path_of(f"ties-shuffled-{seed}", tmp_path).write_text(results("m", shuffled, notes=["In random order."]))
    made = tables.TABLES["realism-ties"](tmp_path)
    assert "| als | 0.1000 | 0.0800 (0.0700–0.0900) | -20.0 % |" in made
    assert "In random order." in made


def test_names_stand_beside_the_lists_with_names(tmp_path):
    lines = [{"name": n, "parameters": {}, "figures": {"metrics": {"ndcg@10": v}, "ci95": {"ndcg@10": [v, v]}}}
             for n, v in (("random", 0.2), ("zero-shot", 0.5))]  # fmt: skip
    write_lines(tmp_path / "llmrank-games.jsonl", lines)
    opaque = [row("random", 0.2), row("zero-shot", 0.4)]
    path_of("anonymous-games", tmp_path).write_text(results("g", opaque, notes=["All words are opaque."]))
    made = tables.TABLES["realism-names"](tmp_path)
    assert "| games | zero-shot | 0.5000 (0.5000–0.5000) | 0.4000 | -20.0 % |" in made
    assert "ml-1m" not in made
    assert made.endswith("All words are opaque.")


def test_an_ab_test_shows_what_is_true(tmp_path):
    one = {
        "a": 0.1, "b": 0.12, "difference": 0.02, "ci95": [0.01, 0.03], "p_holm": 0.0004,
        "truth": {"difference": 0.015}, "detectable": 0.008, "verdict": "found",
    }  # fmt: skip
    found = {"a": "popularity", "b": "no-llm", "shoppers": 2000, "metrics": {"click_rate": one}}
    path_of("ab-ranking", tmp_path).write_text(json.dumps(found))
    assert (
        "| no-llm against popularity, 2,000 shoppers | clicks a look | 0.1000 | 0.1200 | +0.0200 (+0.0100 to +0.0300) "
        "| &lt; 0.001 | +0.0150 | 0.0080 | found |"
    ) in tables.TABLES["realism-tests"](tmp_path)


@pytest.fixture
def yelp(tmp_path):
    def sliced(new):
        return {"slices": {"target new": {"requests": 40, "ndcg@10": new}}}

    rows = [
        row("own-history", 0.04, **sliced(0.0)), row("popularity", 0.0), row("transitions", 0.03, **sliced(0.02)),
        row("cascade", 0.05, **sliced(0.025)), row("cascade@refit", 0.06),
    ]  # fmt: skip
    rows[3]["metrics"]["debiased_ndcg@10"] = 0.01
    protocol = {"best_single_by_validation": "transitions"}
    (tmp_path / "evaluate-yelp.json").write_text(results("yelp", rows, protocol=protocol, best_by_validation="cascade"))
    return tmp_path


def test_new_items_stand_beside_own_history(yelp):
    made = tables.TABLES["realism-slices"](yelp)
    assert "| yelp (50) | own-history | 0.0400 | – | – | 0.0000 (40) |" in made
    assert "| yelp (50) | cascade | 0.0500 | – | – | 0.0250 (40) |" in made
    assert "popularity" not in made


def test_debiased_and_refitted_rows_have_tables_of_their_own(yelp):
    assert "| yelp | cascade | 0.0500 | 0.0100 |" in tables.TABLES["realism-debiased"](yelp)
    made = tables.TABLES["realism-refit"](yelp)
    assert "| yelp | cascade | 0.0500 | 0.0600 | +20.0 % | 0.1200 |" in made
    assert "transitions" not in made
