import json
import re
from pathlib import Path

import pytest

from recsys.eval import plots
from recsys.eval.frontier import CONTROLS, front, timed
from recsys.eval.results import Results
from recsys.eval.tables import frontier

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results"


def results(**rows):
    """Rows by name: (mean, p50), None for a latency that was not taken."""
    made = [
        {"name": name.replace("_", "-"), "metrics": {"ndcg@10": mean}, "latency_ms": {"p50": p50} if p50 else {}}
        for name, (mean, p50) in rows.items()
    ]
    return Results.of(
        data="d", split="s", users=6, items=9, seed=0, settings_hash="x", best_by_validation=None, rows=made
    )


def names(rows):
    return [row.name for row in rows]


def test_the_front_holds_what_nothing_is_faster_and_better_than():
    found = results(
        slow=(0.5, 40), poor=(0.1, 2), fast=(0.2, 1), middle=(0.3, 10), worse=(0.29, 11), untimed=(0.9, None)
    )
    assert names(front(found)) == ["fast", "middle", "slow"]
    assert names(timed(found)) == ["fast", "poor", "middle", "worse", "slow"]


def test_equals_are_dominated_by_the_faster_and_of_twins_one_is_there():
    assert names(front(results(a=(0.2, 5), b=(0.2, 3)))) == ["b"]
    assert names(front(results(a=(0.2, 5), b=(0.3, 5)))) == ["b"]
    assert names(front(results(a=(0.2, 5), b=(0.2, 5)))) == ["a"]


def test_controls_are_never_on_the_front():
    found = results(identity=(0.4, 1), shuffle=(0.5, 2), oracle=(0.9, 3), fusion=(0.4, 4))
    assert names(front(found)) == ["fusion"]
    assert frontier(found).legend[0].endswith("No row is dominated.")
    assert front(results(identity=(0.4, 1))) == []
    assert "<svg" in plots.quality_latency(results(identity=(0.4, 1)))


def test_the_table_says_what_each_step_costs_and_who_is_dominated():
    table = frontier(results(fast=(0.2, 1), poor=(0.1, 2), slow=(0.5, 40)))
    assert [[c.text for c in line] for line in table.lines] == [
        ["fast", "0.2000", "1", "–", "–", "–"], ["slow", "0.5000", "40", "+0.3000", "–", "40 times"],
    ]  # fmt: skip
    assert "Dominated: poor." in table.legend[0]


def test_neighbours_have_the_interval_and_p_of_their_paired_comparison():
    found = json.loads((COMMITTED / "evaluate-beauty.json").read_text(encoding="utf-8"))
    found = Results.from_dict(found)
    lines = {line[0].text: line for line in frontier(found).lines}
    effect = found.row("cascade").effect["fusion"]
    assert lines["cascade"][3].text == f"{effect.difference:+.4f}"
    assert lines["cascade"][3].note == f"{effect.ci95[0]:+.4f} to {effect.ci95[1]:+.4f}"


@pytest.mark.parametrize("path", sorted(COMMITTED.glob("evaluate-*.json")), ids=lambda p: p.stem)
def test_no_committed_row_dominates_one_of_the_front(path):
    found = Results.from_dict(json.loads(path.read_text(encoding="utf-8")))
    for row in front(found):
        for other in timed(found):
            faster = other.latency_ms["p50"] < row.latency_ms["p50"]
            better = other.metrics[found.metric] > row.metrics[found.metric]
            assert other.name in CONTROLS or not (faster and better), (row.name, other.name)


def test_the_plot_fills_the_front_and_draws_what_is_reached_within_a_time():
    svg = plots.quality_latency(results(fast=(0.2, 1), poor=(0.1, 2), slow=(0.5, 40)))
    assert re.findall(r">(fast|poor|slow)<", svg) == ["slow", "fast", "poor"]  # those of the front come first
    assert svg.count("stroke-dasharray") == 1
