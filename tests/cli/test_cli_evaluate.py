from __future__ import annotations

import csv
import json
import re

import pytest

from recsys.config import EngineConfig
from recsys.eval.results import Results

ROWS = "transitions,popularity,fusion"


@pytest.fixture(scope="module")
def measured(call, shop_folder, source, tmp_path_factory):
    """One evaluation with everything written that can be."""
    out = tmp_path_factory.mktemp("evaluated")
    run = out / "mine.csv"
    run.write_text("user,item,rank\n" + "".join(f"u{u},i{u % 2},1\n" for u in range(60)))
    result = call(
        "evaluate", "--data", source, "--split", "leave-one-out", "--config", shop_folder / "recsys.toml",
        "--rows", ROWS, "--run", f"mine={run}", "--seed", 5, "--json", out / "out.json", "--html", out / "out.html",
        "--markdown", out / "out.md", "--latex", out / "out.tex", "--per-user", out / "out.csv",
    )  # fmt: skip
    return out, result


def test_the_json_is_the_contract(measured, shop_folder):
    value = json.loads((measured[0] / "out.json").read_text())
    keys = ("data", "split", "users", "items", "seed", "settings_hash", "versions", "best_by_validation", "rows")
    assert set(keys) <= set(value)
    assert (value["users"], value["items"], value["seed"], value["split"]) == (60, 24, 5, "leave-one-out")
    names = [row["name"] for row in value["rows"]]
    assert {"transitions", "popularity", "fusion", "mine", "transitions@refit"} <= set(names)
    for row in value["rows"]:
        assert {"name", "metrics", "ci95", "p_vs", "fit_s", "latency_ms", "peak_rss_mb"} <= set(row)
        low, high = row["ci95"]["ndcg@10"]
        assert low <= row["metrics"]["ndcg@10"] <= high
    found = Results.from_dict(value)
    # Shoppers stay on one side, which popularity cannot know.
    assert found.row("transitions").metrics["hr@10"] > found.row("popularity").metrics["hr@10"]


def test_the_table_is_printed_and_the_reports_are_written(measured):
    out, result = measured
    assert "Ranking quality" in result.stdout
    assert "Gain by stage" in result.stdout
    assert re.search(r"popularity \(\w\) +.*▼", result.stdout)  # its own letter, and which rows it is worse than
    assert "transitions" in result.stdout
    assert (out / "out.html").read_text().startswith("<!DOCTYPE html>")
    assert "| transitions" in (out / "out.md").read_text()
    assert "\ntransitions (" in (out / "out.tex").read_text()
    with (out / "out.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["row"] for line in lines} >= {"transitions", "mine"}
    assert len({line["user"] for line in lines}) == 60


def test_json_alone_on_stdout(answer, source, shop_folder):
    words = ("evaluate", "--data", source, "--split", "leave-one-out", "--config", shop_folder / "recsys.toml")
    value = answer(*words, "--rows", "popularity", "--no-refit", "--json")
    assert [row["name"] for row in value["rows"]] == ["popularity"]
    assert answer(*words, "--rows", "popularity", "--no-refit", "--json", "-")["settings_hash"]
    masked = {**EngineConfig.read(shop_folder / "recsys.toml").plain(), "seed": 0}
    assert value["settings_hash"] == EngineConfig.of(masked).hash


def test_fits_are_kept_where_asked(answer, source, shop_folder, tmp_path):
    words = ("evaluate", "--data", source, "--split", "leave-one-out", "--config", shop_folder / "recsys.toml")
    words += ("--rows", "transitions,fusion", "--no-refit", "--keep", tmp_path / "fits", "--json")
    first = answer(*words)
    kept = sorted((tmp_path / "fits").iterdir())
    assert any(path.name.startswith("transitions-") for path in kept)
    again = answer(*words)
    assert sorted((tmp_path / "fits").iterdir()) == kept
    for old, new in zip(first["rows"], again["rows"], strict=True):
        assert (old["metrics"], old["fit_s"]) == (new["metrics"], new["fit_s"])


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--split", "by-moon"), 2, "leave-one-out"),
        (("--rows", "none-such"), 2, "none-such"),
        (("--run", "no-file"), 2, "NAME=FILE"),
        (("--run", "a=x", "--run", "a=y"), 2, "twice"),
        (("--html", "no/such/folder/out.html"), 2, "there is no folder"),
        (("--latex", "no/such/folder/out.tex"), 2, "there is no folder"),
        (("--repeats", "often"), 2, "often"),
        (("--rerank", "late-interactoin"), 1, "late-interaction"),
        (("--config", "none.toml"), 2, "recsys init"),
        (("--shuffle-ties",), 1, "has no ties"),
    ],
)
def test_errors_name_what_is_wrong(call, source, shop_folder, words, code, hint):
    config = () if "--config" in words else ("--config", shop_folder / "recsys.toml")
    assert hint in call("evaluate", "--data", source, *config, *words, code=code).stderr


def test_data_altered_on_purpose_is_named_and_told(answer, shop_folder, tmp_path):
    lines = (shop_folder / "events.csv").read_text().splitlines()[:-1]
    days = [",".join([u, i, str(int(t) // 200_000 * 200_000), k]) for u, i, t, k in (x.split(",") for x in lines[1:])]
    (tmp_path / "days.csv").write_text("\n".join([lines[0], *days]) + "\n")
    (tmp_path / "items.csv").write_text((shop_folder / "items.csv").read_text())
    config = tmp_path / "text.toml"
    config.write_text((shop_folder / "recsys.toml").read_text() + "[candidates.bm25]\n")
    words = (
        "evaluate", "--data", f"csv:{tmp_path / 'days.csv'}?items=items.csv", "--split", "leave-one-out", "--config",
        config, "--rows", "transitions,bm25", "--no-refit", "--json",
    )  # fmt: skip
    plain, altered = answer(*words), answer(*words, "--shuffle-ties", "--anonymise")
    assert altered["data"] == plain["data"] + ", ties shuffled, anonymised"
    assert "at one time are in random order" in altered["notes"][0]
    assert "replaced by opaque ones" in altered["notes"][1]
    assert plain["rows"][0]["metrics"] != altered["rows"][0]["metrics"]
    assert plain["users"] == altered["users"]
