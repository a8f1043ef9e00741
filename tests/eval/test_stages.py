import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from recsys.eval import plots
from recsys.eval.report import to_html, to_markdown
from recsys.eval.results import Results
from recsys.eval.stages import best_single, stages, whole
from recsys.eval.tables import gains, headline

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results"


def committed(name):
    return Results.from_dict(json.loads((COMMITTED / f"evaluate-{name}.json").read_text(encoding="utf-8")))


def row(name, mean, versus=()):
    effect = {
        base: {
            "difference": mean - other, "ci95": [mean - other - 0.01, mean - other + 0.01], "wins": 3, "ties": 2,
            "losses": 1,
        }
        for base, other in dict(versus).items()
    }  # fmt: skip
    p = dict.fromkeys(dict(versus), 0.01)
    return {"name": name, "metrics": {"ndcg@10": mean}, "ci95": {}, "p_vs": p, "effect": effect}


def results(*rows, best=None, single="ease"):
    return Results.of(
        data="d", split="s", users=6, items=9, seed=0, settings_hash="x", best_by_validation=best, rows=rows,
        protocol={"best_single_by_validation": single} if single else {},
    )  # fmt: skip


FUNNEL = (
    row("popularity", 0.1, {"ease": 0.2}),
    row("ease", 0.2),
    row("fusion", 0.25, {"ease": 0.2}),
    row("cascade", 0.22, {"ease": 0.2, "fusion": 0.25}),
    row("cascade+small", 0.9),
    row("cascade+large", 0.3, {"ease": 0.2, "fusion": 0.25, "cascade": 0.22}),
)


def test_the_stages_follow_the_funnel_up_to_the_reranker_that_validation_chose():
    steps = stages(results(*FUNNEL, best="cascade+large"))
    assert [s.name for s in steps] == ["ease", "fusion", "cascade", "cascade+large"]
    assert [s.stage for s in steps] == ["best single generator", "fused", "ranked", "reranked"]
    assert [s.before for s in steps] == [None, "ease", "fusion", "cascade"]
    assert [s.gain for s in steps[1:]] == pytest.approx([0.05, -0.03, 0.08])
    assert steps[2].relative == pytest.approx(-0.03 / 0.25)
    assert steps[2].ci95 == pytest.approx((-0.04, -0.02))
    assert steps[2].p == 0.01


def test_a_reranker_that_validation_did_not_choose_is_no_stage_however_good_its_test():
    found = results(*FUNNEL, best="cascade")
    assert [s.name for s in stages(found)] == ["ease", "fusion", "cascade"]
    assert "Validation chose no reranker: cascade+small, cascade+large" in gains(found).legend[-1]


def test_the_whole_is_the_comparison_of_the_ends_and_what_the_steps_add_up_to():
    found = results(*FUNNEL, best="cascade+large")
    steps = stages(found)
    total = whole(found, steps)
    assert total.gain == pytest.approx(sum(s.gain for s in steps[1:]))
    assert (total.before, total.p) == ("ease", 0.01)
    assert whole(found, steps[:2]) is None


def test_without_a_paired_comparison_there_is_a_gain_and_no_interval():
    found = results(row("ease", 0.2), row("fusion", 0.0), row("cascade", 0.1))
    steps = stages(found)
    assert [(s.gain, s.ci95, s.p) for s in steps[1:]] == [(-0.2, None, None), (0.1, None, None)]
    assert steps[2].relative is None  # nothing to divide by
    table = gains(found)
    assert [c.text for c in table.lines[1]] == ["fusion", "0.0000", "-0.2000", "-100.0 %", "–"]
    assert "no paired comparison" in table.legend[1]
    assert "<svg" in plots.waterfall(found)


def test_fewer_than_two_stages_are_none():
    for rows in ([], [row("ease", 0.2)], [row("a", 0.1), row("b", 0.2)]):
        found = results(*rows)
        assert stages(found) == ()
        assert plots.waterfall(found) == ""
        assert gains(found).lines == ()
        assert "Gain by stage" not in to_markdown(found)


def test_the_best_single_generator_of_files_that_do_not_name_it():
    rows = [row("als", 0.1, {"ease": 0.2}), row("ease", 0.2, {"als": 0.1}), row("cascade", 0.3, {"ease": 0, "als": 0})]
    assert best_single(results(*rows, single=None)) == "ease"
    assert best_single(results(row("ease", 0.2), single=None)) is None


def test_the_headline_names_what_the_best_row_stands_on():
    found = results(*FUNNEL, best="cascade+large")
    assert re.findall(r"against ([^,;]+)", headline(found)) == ["ease", "fusion", "cascade"]


@pytest.mark.parametrize("name", ["beauty", "gift-cards", "yelp", "shop", "msrd"])
def test_committed_results_have_their_waterfall(name):
    found = committed(name)
    steps = stages(found)
    assert len(steps) >= 3
    for before, step in pairwise(steps):
        assert step.value == pytest.approx(before.value + step.gain, abs=2e-6)
    assert len(gains(found).lines) == len(steps) + 1
    drawn = plots.waterfall(found)
    assert "all together" in drawn
    assert drawn in to_html(found)
    for step in steps:
        assert f"| {step.name} ({step.stage}) |" in to_markdown(found)


def test_what_is_committed_holds_the_paired_comparison_of_every_stage():
    found = committed("beauty")
    for step in stages(found)[1:]:
        effect = found.row(step.name).effect[step.before]
        assert (step.gain, step.ci95) == (effect.difference, effect.ci95)
        assert step.p == found.row(step.name).p_vs[step.before]
