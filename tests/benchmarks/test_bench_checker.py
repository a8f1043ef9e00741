"""The figures of the checker's challenge set: counted right, shown right, and harder to get than by accepting all."""

from __future__ import annotations

import pytest

from benchmarks import checker, checker_tables
from benchmarks.runner import write_lines
from recsys.explain.challenge.load import load
from recsys.explain.challenge.measure import Outcome

FACTS = {
    "hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 15.6, "system": "Linux"},
    "versions": {"python": "3.11.2"}, "commit": "abc", "date": "2026-01-02",
}  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("checker")
    return [
        {"benchmark": "checker", **line, **FACTS}
        for case in checker.cases(quick=True)
        for line in checker.run(case, scratch)
    ]


def figures(lines, name, split):
    return next(f["figures"] for f in lines if f["name"] == name and f["parameters"]["split"] == split)


@pytest.mark.parametrize("split", ["dev", "heldout"])
def test_the_checker_beats_what_costs_nothing(lines, split):
    everything, words, own = (figures(lines, name, split) for name in checker.CHECKERS)
    assert everything["keeps"]["share"] == 1
    assert everything["catches"]["share"] == 0
    assert own["catches"]["ci95"][0] > words["catches"]["ci95"][1]
    assert own["keeps"]["share"] > words["keeps"]["share"]
    assert own["ms"] > 0


def test_kinds_add_up(lines):
    for line in lines:
        f, p = line["figures"], line["parameters"]
        assert sum(kind["of"] for kind in f["kinds"].values()) == f["catches"]["of"] == p["corrupted"]
        assert sum(kind["right"] for kind in f["kinds"].values()) == f["catches"]["right"]
        assert f["keeps"]["of"] == p["true"]


def test_the_share_of_words_was_chosen_on_development_texts():
    least = checker.best_share()
    texts = [c for c in load("dev") if c.kind != "injected"]

    def balance(share):
        right = [((checker.overlap(c) >= share) == (c.kind == "true"), c.kind == "true") for c in texts]
        return sum(
            sum(r for r, true in right if true == which) / sum(true == which for _, true in right)
            for which in (True, False)
        )

    assert balance(least) == pytest.approx(max(balance(share) for share in checker.SHARES))


def test_shares_of_known_outcomes():
    one = load("dev")[0]
    found = checker.figures_of([Outcome(one, True), Outcome(one, False)])
    assert found["keeps"]["right"] == 1
    assert found["keeps"]["share"] == 0.5
    assert found["catches"] == {"right": 0, "of": 0}


def test_tables_show_intervals_and_dashes(lines, tmp_path):
    write_lines(tmp_path / "checker.jsonl", lines)
    table = checker_tables.checkers(tmp_path)
    assert "| accept all | development |" in table
    assert "| 100 % (" in table
    assert "| – |" in table
    assert "at least" in table
    assert table.count("\n| check |") == 2
    kinds = checker_tables.kinds(tmp_path)
    assert "| negation |" in kinds
    assert checker_tables.kinds(tmp_path / "none") == "Not measured yet: `python -m benchmarks checker`."
