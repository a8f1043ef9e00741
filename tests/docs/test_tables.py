"""The tables of the pages are what the committed results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import tables  # noqa: E402
from benchmarks.runner import RESULTS, write_lines  # noqa: E402
from benchmarks.speed_tables import share  # noqa: E402
from recsys.eval.results import Results  # noqa: E402


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_pages_hold_the_tables_of_the_results(page):
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text, RESULTS) == text, "type: python -m benchmarks tables"


def test_every_table_has_its_place():
    text = "".join(page.read_text(encoding="utf-8") for page in tables.PAGES)
    assert [name for name in tables.TABLES if f"<!-- table:{name} -->" not in text] == []


def test_the_results_name_no_folder_and_no_person():
    for path in RESULTS.glob("*.json*"):
        text = path.read_text(encoding="utf-8")
        assert "/home/" not in text
        assert "/work" not in text


def test_only_the_regions_change(tmp_path):
    text = "before\n<!-- table:import -->\nold\n<!-- /table -->\nbetween\n<!-- table:bm25 -->\n<!-- /table -->\nafter\n"
    assert tables.filled(text, tmp_path) == (
        "before\n<!-- table:import -->\nNot measured yet: `python -m benchmarks import`.\n<!-- /table -->\nbetween\n"
        "<!-- table:bm25 -->\nNot measured yet: `python -m benchmarks bm25`.\n<!-- /table -->\nafter\n"
    )


@pytest.mark.parametrize(
    "text",
    ["<!-- table:nonsense -->\n<!-- /table -->", "<!-- table:bm25 -->\n", "<!-- /table -->", "<!-- table:Bm25 -->"],
)
def test_a_broken_mark_is_an_error(text, tmp_path):
    with pytest.raises(ValueError, match="table"):
        tables.filled(text, tmp_path)


def test_rewriting_twice_changes_nothing(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table:batch -->\n<!-- /table -->\n", encoding="utf-8")
    assert tables.rewrite(tmp_path, (page,)) == [page]
    assert tables.rewrite(tmp_path, (page,)) == []


FACTS = {
    "hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 15.6, "system": "Linux"},
    "versions": {"python": "3.11.2"}, "commit": "abc", "date": "2026-01-02",
}  # fmt: skip


def cells(text, first):
    """The cells of the lines that begin with this word."""
    lines = [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if line[0] == first]


def test_bm25_shows_ratios_and_differences(tmp_path):
    figures = {
        "build_s": 1.0, "qps": 2200.0, "p50_ms": 0.4, "p95_ms": 1.0, "batch_qps": 5500.0, "x_reference": 200.0,
        "batch_x_reference": 500.0, "overlap": 0.99999, "max_difference": 2e-7, "peak_rss_mb": 400.0,
    }  # fmt: skip
    parameters = {"documents": 50_000, "method": "okapi"}
    write_lines(tmp_path / "bm25.jsonl", [{"name": "eager", "parameters": parameters, "figures": figures, **FACTS}])
    text = tables.TABLES["bm25"](tmp_path)
    assert cells(text, "eager") == [
        ["eager", "50,000", "okapi", "1", "2,200", "0.4", "1", "200x", "5,500", "500x", "99.9 %", "2e-07", "400"]
    ]
    assert "2026-01-02 at commit abc: A CPU, 2 cores, 16 GiB" in text


def test_the_funnel_sets_sizes_side_by_side(tmp_path):
    def line(name, items, **figures):
        return {
            "name": name,
            "parameters": {"items": items, "shoppers": 9, "generators": ["als"]},
            "figures": figures,
            **FACTS,
        }

    fit = {"events": 70, "fit_s": 5.0, "bundle_mb": 3.0, "peak_rss_mb": 900.0}
    serve = {"p50_ms": 12.0, "p95_ms": 20.0, "first_ms": 80.0, "load_s": 1.5, "peak_rss_mb": 300.0}
    lines = [
        line("fit", 100, **fit), line("serve", 100, **serve, stages_p50_ms={"candidates als": 1.0, "score": 2.0}),
        line("fit", 2000, **fit), line("serve", 2000, **serve | {"p50_ms": 33.0}, stages_p50_ms={"score": 4.0}),
    ]  # fmt: skip
    write_lines(tmp_path / "funnel.jsonl", lines)
    text = tables.TABLES["funnel"](tmp_path)
    assert cells(text, "One request, p50, ms") == [["One request, p50, ms", "12", "33"]]
    assert "100 items: als; 2,000 items: als" in text
    stages = tables.TABLES["funnel-stages"](tmp_path)
    assert cells(stages, "candidates als") == [["candidates als", "1", "–"]]
    assert cells(stages, "score") == [["score", "2", "4"]]


def test_implicit_batch_and_import(tmp_path):
    sides = {"qps": 10.0, "p50_ms": 1.0, "batch_qps": 20.0}
    figures = {f"{side}_{key}": value for side in ("recsys", "implicit") for key, value in sides.items()}
    figures |= {"x_implicit": 1.5, "batch_x_implicit": 2.5, "overlap_implicit": 1.0}
    write_lines(tmp_path / "implicit.jsonl", [{"name": "item-knn", "parameters": {}, "figures": figures, **FACTS}])
    assert cells(tables.TABLES["implicit"](tmp_path), "item-knn") == [
        ["item-knn", "recsys", "10", "1", "–", "20", "–", "–"],
        ["item-knn", "implicit", "10", "1", "1.5x", "20", "2.5x", "100 %"],
    ]
    batch = {
        "parameters": {"items": 12_000, "requests": 4096, "chunk": 512},
        "figures": {"users_per_s": 777.7, "peak_rss_mb": 5},
    }
    write_lines(tmp_path / "batch.jsonl", [{"name": "recommend_batch", **batch, **FACTS}])
    assert ["recommend\\_batch", "12,000", "4,096", "512", "778", "5"] in cells(
        tables.TABLES["batch"](tmp_path), "recommend\\_batch"
    )
    start = {"median_s": 0.125, "max_s": 0.2, "torch_imported": False}
    write_lines(tmp_path / "import.jsonl", [{"name": "import recsys", "parameters": {}, "figures": start, **FACTS}])
    assert cells(tables.TABLES["import"](tmp_path), "import recsys")[0][1:] == ["0.12", "0.20", "no"]


def test_the_search_stands_beside_its_peer(tmp_path):
    speed = {"qps": 450.0, "p50_ms": 2.0, "p95_ms": 7.0, "right": 0.991, "right_misspelt": 0.5, "peak_rss_mb": 900.0}
    ours = {**speed, "first_ms": 1800.0, "misspelt_p50_ms": 3.0, "x_reference": 150.0}
    lines = [
        {"name": name, "parameters": {"products": 500_000}, "figures": figures, **FACTS}
        for name, figures in (
            ("build", {"build_s": 50.0, "index_mb": 400.0, "peak_rss_mb": 1800.0}),
            ("rank-bm25", {"build_s": 9.0, **speed}), ("typo tolerance", ours),
        )
    ]  # fmt: skip
    write_lines(tmp_path / "search.jsonl", lines)
    text = tables.TABLES["search"](tmp_path)
    assert cells(text, "recsys, build") == [["recsys, build", "500,000", "50", *["–"] * 8, "400", "1,800"]]
    assert cells(text, "typo tolerance") == [
        ["typo tolerance", "500,000", "–", "1,800", "450", "2", "7", "3", "150x", "99.1 %", "50 %", "–", "900"]
    ]
    assert cells(text, "rank-bm25")[0][8] == "–"


def test_reasons_stand_beside_lists_without(tmp_path):
    whole = {
        "plain_p50_ms": 20.0, "explained_p50_ms": 45.0, "plain_p95_ms": 30.0, "explained_p95_ms": 70.0,
        "first_ms": 900.0, "with_reason": 0.98,
    }  # fmt: skip
    parts = {
        "reviews_ms_item": 0.2, "facts_ms_item": 0.4, "text_ms_item": 0.06, "check_ms_item": 0.5,
        "explanation_ms_item": 0.97, "causal_ms_list": 12.0, "causal_p95_ms_list": 20.0, "reruns_per_list": 6.5,
    }  # fmt: skip
    lines = [
        {"name": name, "parameters": {"items": items, "shoppers": 50}, "figures": figures, **FACTS}
        for items in (2000, 20_000)
        for name, figures in (("whole list", whole), ("parts", parts))
    ]
    write_lines(tmp_path / "explain.jsonl", lines)
    text = tables.TABLES["explain"](tmp_path)
    assert "2,000 items | 20,000 items" in text
    assert cells(text, "Check, ms an item") == [["Check, ms an item", "0.5", "0.5"]]
    assert cells(text, "Items with a reason") == [["Items with a reason", "98 %", "98 %"]]


def test_a_share_is_never_rounded_up():
    assert share(0.99999) == "99.9 %"
    assert share(1.0) == "100 %"


@pytest.fixture
def evaluated(tmp_path):
    effect = {"difference": 0.005, "ci95": (0.004, 0.006), "relative": 0.1, "wins": 5, "ties": 1, "losses": 2}
    rows = [
        {"name": "transitions", "metrics": {"hr@10": 0.08, "ndcg@10": 0.05}, "p_vs": {"popularity": 0.0004}},
        {"name": "popularity", "metrics": {"hr@10": 0.01, "ndcg@10": 0.005}, "p_vs": {"transitions": 0.0004}},
        {
            "name": "cascade", "metrics": {"hr@10": 0.09, "ndcg@10": 0.055}, "ci95": {"ndcg@10": (0.053, 0.057)},
            "p_vs": {"transitions": 0.012, "popularity": 0.0004}, "effect": {"transitions": effect},
            "latency_ms": {"p50": 12.0, "p95": 30.0},
        },
    ]  # fmt: skip
    found = Results.of(
        data="s3rec:beauty", split="leave-one-out", users=22363, items=12101, seed=0, settings_hash="abcd",
        best_by_validation="cascade", rows=rows, protocol={"repeats": "masked"},
    )  # fmt: skip
    (tmp_path / "evaluate-beauty.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")
    return tmp_path


def test_a_set_shows_every_row_against_the_best_single_generator(evaluated):
    text = tables.TABLES["beauty"](evaluated)
    assert "| transitions | 0.0800 | 0.0500 | – | – | – | – |" in text
    assert "| cascade (chosen by validation) | 0.0900 | 0.0550 (0.0530–0.0570) | +10.0 % | 0.012 | 12 | 30 |" in text
    assert "relative to transitions, the best single generator on validation" in text
    assert "items chosen before are masked" in text
    assert tables.TABLES["toys"](evaluated) == "Not measured yet: `python -m benchmarks evaluate toys`."


def test_the_summary_has_a_line_for_each_set_that_was_measured(evaluated):
    text = tables.TABLES["quality"](evaluated)
    [line] = cells(text, "beauty")
    assert line[3:] == ["0.0050", "0.0500 (transitions)", "0.0550 (0.0530–0.0570)", "+10.0 %", "0.012", "0.0900"]
    assert len(cells(text, "toys")) == 0
