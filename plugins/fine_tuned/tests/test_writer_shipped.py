"""The explanation writer that comes with the package: whole, trained on the sample shop alone, as good as is said."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import cache

import pytest
from recsys_fine_tuned.writer import SHIPPED, Recipe
from writer_worlds import small_cases

from recsys.eval.generation_share import generation_figures, summary
from recsys.explain.check import check
from recsys.explain.generate import Generate
from recsys.explain.template import Template
from recsys.runtime.artifact import Artifact
from recsys.runtime.decoder import open_decoder
from recsys.testing.kits import ExplainerTests

MODEL = SHIPPED / "model"


@cache
def writer() -> Generate:
    return Generate(Generate.Config(), open_decoder(MODEL, threads=1))


class TestGenerate(ExplainerTests):
    locales = ("en", "de")

    @pytest.fixture
    def component(self):
        model = open_decoder(MODEL, threads=1)
        return lambda: Generate(Generate.Config(), model)


def test_it_says_new_things_that_hold_about_other_shoppers() -> None:
    explainer = Generate(Generate.Config(), open_decoder(MODEL, threads=1))
    cases = small_cases(learnt=False)
    found = generation_figures(cases, explainer, Template())
    line = summary(found, explainer.counts)
    assert found.n > 150, line
    assert found.shown >= 0.9, line
    assert found.new_ngrams >= 0.6, line
    assert found.swap_changes >= 0.95, line
    assert found.swap_rewords >= 0.8, line


def test_what_is_shown_as_generated_holds_in_every_statement() -> None:
    cases = small_cases(learnt=False)
    shown = [(c, one) for c, one in zip(cases, writer().explain(cases), strict=True) if one.kind == "generated"]
    assert shown
    for case, one in shown:
        made = check(one.text, one.evidence, case.title, now=case.now, item_id=case.item_id)
        assert made.supported, [s.reason for s in made.statements]
        assert made.claims


def test_it_is_small_and_whole() -> None:
    assert Artifact.open(MODEL).spec["task"] == "causal"
    assert sum(f.stat().st_size for f in SHIPPED.rglob("*") if f.is_file()) < 5_000_000


def test_how_it_was_made_lies_beside_it() -> None:
    recipe = tomllib.loads((SHIPPED / "recipe.toml").read_text(encoding="utf-8"))
    assert recipe["trained"]["on"] == "the sample shop"
    assert recipe["trained"]["sha256"] == Artifact.open(MODEL).sha256
    assert Recipe.shipped() == Recipe(**recipe["recipe"])
    report = json.loads((SHIPPED / "report.json").read_text(encoding="utf-8"))
    assert report["stopped"] == "done"
    assert report["steps"] == Recipe.shipped().steps
    assert report["best"]["loss"] <= min(row["loss"] for row in report["validation"]) + 1e-9
    assert (SHIPPED / "train.log").stat().st_size > 0


def test_serving_it_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from recsys_fine_tuned.writer import SHIPPED; from recsys.runtime.decoder import open_decoder\n"
        "from recsys.explain.generate import Generate; from recsys.explanation import Case, Evidence, Fact\n"
        "did = Evidence(kind='event', item_id='h', title='Copper Kettle', event_kind='purchase', time=1779000000)\n"
        "case = Case(item_id='r', title='Oak Lamp', facts=(Fact(kind='event', strength=0.9, evidence=(did,)),),\n"
        "            now=1779400000)\n"
        "one, = Generate(Generate.Config(), open_decoder(SHIPPED / 'model', threads=1)).explain([case])\n"
        "assert one.kind == 'generated' and 'Copper Kettle' in one.text, one\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
