"""The page in a minute, and what others report: who is ahead is told by the rules that the page states."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import minute_tables, published
from benchmarks.minute_tables import AHEAD, BEHIND, LEVEL, Measure, minute
from benchmarks.published import PUBLISHED, best, leaking, sequential
from benchmarks.runner import RESULTS, ROOT, write_lines
from recsys.eval.results import Results

PAGE = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def measure(ours, known, interval, **more):
    return Measure("X", "they", known, ours, interval, **more)


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (measure(0.5, 0.4, (0.45, 0.55)), AHEAD),
        (measure(0.5, 0.46, (0.45, 0.55)), LEVEL),
        (measure(0.5, 0.6, (0.45, 0.55)), BEHIND),
        (measure(0.5, 0.46, (0.45, 0.55), p=0.01), AHEAD),
        (measure(0.5, 0.4, (0.45, 0.55), p=0.05), LEVEL),
        (measure(0.5, 0.4, (0.45, 0.55), lower=True), BEHIND),
        (measure(0.5, 0.6, (0.45, 0.55), lower=True, p=0.001), AHEAD),
    ],
)
def test_a_verdict_needs_a_test_or_an_interval(one, verdict):
    assert one.verdict == verdict


def test_a_line_says_how_much_and_how_sure():
    cells = measure(0.5, 0.4, (0.45, 0.53), p=0.0001, more="2 of 3").cells()
    assert [cell.replace("\u00a0", " ") for cell in cells] == [
        "X", "0.5000 ± 0.0500", "0.4000 they", "+25.0 %", "**ahead**, p < 0.001; 2 of 3",
    ]  # fmt: skip
    assert measure(0.5, 0.0, (0.4, 0.6)).cells()[3] == "–"


def test_the_best_known_neither_leaks_nor_is_unverified():
    for name in published.SETS:
        for place in (0, 1):
            one = best(name, place)
            others = [p for p in PUBLISHED if name in p.figures and p.figures[name][place] is not None]
            if one is None:
                assert not [p for p in others if p.counts]
                continue
            assert one.counts
            reached = one.figures[name][place]
            assert all((p.figures[name][place] or 0) <= reached or p.leak or p.unverified for p in others)
    assert best("beauty", 0).system == "eSASRec"
    assert best("sports", 1).figures["sports"] == (0.0560, 0.0323)
    assert leaking("toys", 1).system == "POD"
    assert leaking("yelp-masked", 1) is None


def test_remembered_figures_are_called_unverified():
    assert {p.system for p in PUBLISHED if p.unverified} >= {"IDGenRec", "P5-base", "LETTER-TIGER", "LC-Rec"}
    rows = [line for line in sequential(RESULTS).splitlines() if line.startswith("| IDGenRec")]
    assert len(rows) == 1
    assert "leaks" in rows[0]
    assert "unverified" in rows[0]


def evaluated(folder, name, cascade, **more):
    effect = {"difference": 0.02, "ci95": (0.01, 0.03), "relative": 0.25, "wins": 5, "ties": 1, "losses": 2}
    rows = [
        {"name": "own-history", "metrics": {"hr@10": 0.02, "ndcg@10": 0.04}},
        {
            "name": "cascade", "metrics": {"hr@10": cascade, "ndcg@10": 0.06},
            "ci95": {"hr@10": (cascade - 0.002, cascade + 0.001), "ndcg@10": (0.058, 0.062)},
            "p_vs": {"own-history": 0.002}, "effect": {"own-history": {**effect, **more}},
            "latency_ms": {"p50": 12.345},
        },
        {"name": "cascade@refit", "metrics": {"hr@10": 0.9, "ndcg@10": 0.9}},
    ]  # fmt: skip
    found = Results.of(
        data=name, split="leave-one-out", users=9, items=9, seed=0, settings_hash="a", best_by_validation="cascade",
        rows=rows,
    )  # fmt: skip
    (folder / f"evaluate-{name}.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")


def test_a_set_stands_beside_the_best_report_of_each_figure(tmp_path):
    assert minute(tmp_path).startswith("Not measured yet")
    evaluated(tmp_path, "beauty", 0.08, relative=None)
    evaluated(tmp_path, "yelp", 0.047)
    text = minute(tmp_path).replace("\u00a0", " ")
    assert "Of 4 figures this engine is ahead in 2, level in 1, behind in 1." in text
    assert (
        "| Beauty | HR@10 | 0.0800 ± 0.0020 | 0.0928 eSASRec ¹ | -13.8 % | **behind** | 12.3 | `evaluate beauty` |"
        in text
    )
    assert "|  | NDCG@10 | 0.0600 ± 0.0020 | 0.0531 SASRec-SS ¹ | +13.0 % | **ahead** |  |  |" in text
    assert (
        "| Yelp, visited shown | HR@10 | 0.0470 ± 0.0020 | 0.0476 P5, fixed ids (best log) | -1.3 % | level |" in text
    )
    assert "0.0400 own-history ⁴ | +50.0 % | **ahead**, p 0.002" in text
    assert "beauty 0.0443 (POD, below ours), yelp 0.0447 (P5-small, below ours)" in text
    assert "refit" not in text
    said = published.above(tmp_path)
    assert "- beauty: above all but" in said
    assert "SASRec-SS" in said.split("- beauty: ")[1].splitlines()[0]
    assert "- yelp: above all but P5, fixed ids (best log) of 1 system " in said


def test_ratings_count_the_splits(tmp_path):
    def lines(split, seed, difference):
        base = {"metrics": {"rmse": 0.9}, "ci95": {"rmse": [0.8, 1.0]}}
        mine = {
            "metrics": {"rmse": 0.88}, "ci95": {"rmse": [0.8, 0.95]}, "p_vs": {"mf": 0.03},
            "effect": {"mf": {"difference": difference}},
        }  # fmt: skip
        about = {"set": "gift-cards", "split": split, "seed": seed}
        return [{"name": n, "parameters": about, "figures": f} for n, f in (("mf", base), ("regressor", mine))]

    write_lines(tmp_path / "rating.jsonl", [*lines("random", 0, -0.02), *lines("random", 1, 0.01)])
    text = minute(tmp_path).replace("\u00a0", " ")
    assert "| Gift Cards | RMSE ↓ | 0.8800 ± 0.0800 | 0.9000 MF ⁴ | -2.2 % | **ahead**, p 0.03" in text
    assert "; lower on 1 of 2 splits, -2.2 % over the random ones |" in text


def test_every_line_has_every_cell_and_a_command_that_exists():
    lines = [line for line in minute(RESULTS).splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {len(minute_tables.HEAD) + 2}
    commands = {words for line in lines for words in re.findall(r"`([^`]+)`", line)}
    assert len(commands) > 15
    from benchmarks.quality import STEPS

    assert commands <= {str(step).removeprefix("benchmarks ") for step in STEPS}


def test_the_page_begins_with_the_minute_and_its_links_lead_somewhere():
    headings = re.findall(r"(?m)^#{1,3} (.+)$", PAGE)
    assert headings[:2] == ["Benchmarks", "In a minute"]
    anchors = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
    assert PAGE.count("<details>") == PAGE.count("</details>") > 5
