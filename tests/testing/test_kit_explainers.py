from __future__ import annotations

import time
from dataclasses import replace

import pytest
from kit_toys import after, before, broken, checks, run_check

from recsys.explanation import Explanation
from recsys.testing.kits import ExplainerTests

FAILED = (AssertionError, pytest.fail.Exception)


class ToyExplainer:
    """Names the kind of the strongest fact, cleanly."""

    def explain(self, cases):
        return [self.one(case) for case in cases]

    def one(self, case):
        if not case.facts:
            return Explanation()
        best = max(case.facts, key=lambda f: f.strength)
        return Explanation(
            text=f"Because of {best.kind}.", kind="toy", evidence=best.evidence, causal_drop=best.causal_drop,
            confidence="strong" if best.strength > 0.7 else "weak",
        )  # fmt: skip


class TestToyExplainer(ExplainerTests):
    @pytest.fixture
    def component(self):
        return ToyExplainer


class Quiet(ToyExplainer):
    """Says nothing of novelty; the kit accepts it once it is declared."""

    def one(self, case):
        return super().one(replace(case, facts=tuple(f for f in case.facts if f.kind != "novelty")))


class TestQuiet(ExplainerTests):
    says = ("event", "aspect", "query", "popularity")

    @pytest.fixture
    def component(self):
        return Quiet


def each(change):
    """An explainer whose every explanation with a text is ``change(it, case)``."""
    return after(ToyExplainer, "one", lambda self, out, case: change(out, case) if out.text else out)


def another(self, out, cases):
    """The evidence of the next case."""
    return [replace(a, evidence=b.evidence) if a.text and b.text else a for a, b in zip(out, out[1:] + out[:1])]


def refuses_hostile(self, cases):
    assert all(len(c.title) < 1000 for c in cases)
    return (cases,)


def spoils(self, cases):
    for case in cases:
        object.__setattr__(case, "seed", case.seed + 1)
    return (cases,)


def remembers(self, cases):
    self.cases = cases
    time.sleep(0.02)
    return ToyExplainer.explain(self, self.cases)


def counts(self, out, cases):
    self.calls = getattr(self, "calls", 0) + 1
    return [replace(one, text=f"{one.text} {self.calls}") if one.text else one for one in out]


def with_text(text):
    return each(lambda out, case: replace(out, text=text(out, case)))


def only(test):
    """Works for cases that pass, says nothing of others."""
    return after(ToyExplainer, "one", lambda self, out, case: out if test(case) else Explanation())


EXPLAIN = [
    ("has_its_protocol", broken(ToyExplainer, explain=None)),
    ("one_for_each_case", after(ToyExplainer, "explain", lambda s, out, c: [o for o in out if o.text])),
    ("one_for_each_case", after(ToyExplainer, "explain", lambda s, out, c: tuple(out))),
    ("empty_batch", after(ToyExplainer, "explain", lambda s, out, c: out or [Explanation()])),
    ("nothing_without_facts", after(ToyExplainer, "one", lambda s, out, c: replace(out, text=out.text or "New!"))),
    ("nothing_without_facts", after(ToyExplainer, "one", lambda s, out, c: replace(out, kind="toy"))),
    ("says_something", Quiet),
    ("text_and_kind_agree", each(lambda out, case: replace(out, evidence=()))),
    ("text_and_kind_agree", each(lambda out, case: replace(out, kind="none"))),
    ("text_and_kind_agree", each(lambda out, case: replace(out, confidence="certain"))),
    ("evidence_is_of_the_case", after(ToyExplainer, "explain", another)),
    ("evidence_is_of_the_case",
     each(lambda out, case: replace(out, evidence=tuple(replace(e, item_id="x") for e in out.evidence)))),
    ("drop_is_that_of_a_cited_event", each(lambda out, case: replace(out, causal_drop=0.99))),
    ("drop_is_that_of_a_cited_event",
     each(lambda out, case: replace(out, evidence=case.facts[-1].evidence[:1]) if len(case.facts) > 3 else out)),
    ("weak_facts_are_not_sure", each(lambda out, case: replace(out, confidence="strong"))),
    ("text_is_one_clean_line", with_text(lambda out, case: out.text + "\n")),
    ("text_is_one_clean_line", with_text(lambda out, case: "Because  of it.")),
    ("text_is_one_clean_line", with_text(lambda out, case: out.text * 100)),
    ("text_is_one_clean_line", with_text(lambda out, case: out.text + "\u200b")),
    ("knows_its_languages_and_registers", only(lambda case: case.register != "brief")),
    ("hostile_titles_and_quotes", before(ToyExplainer, "explain", refuses_hostile)),
    ("hostile_titles_and_quotes", with_text(lambda out, case: f"Because of {case.facts[0].evidence[0].title}")),
    ("hostile_titles_and_quotes", with_text(lambda out, case: f"It is {case.title[:20]}")),
    ("no_case_leaks_into_another", after(
        ToyExplainer, "explain", lambda s, out, c: [replace(o, text=f"{o.text} {len(c)}") if o.text else o for o in out]
    )),
    ("no_case_leaks_into_another", after(
        ToyExplainer, "explain",
        lambda s, out, c: [replace(o, text=f"{o.text} {i}") if o.text else o for i, o in enumerate(out)],
    )),
    ("leaves_inputs_alone", before(ToyExplainer, "explain", spoils)),
    ("same_call_twice", after(ToyExplainer, "explain", counts)),
    ("same_call_twice", with_text(lambda out, case: f"Because of {time.perf_counter_ns()}.")),
    ("in_two_threads", broken(ToyExplainer, explain=remembers)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "component"),
    [(f"test_explain_{c}", k) for c, k in EXPLAIN],
    ids=[f"{i}-{c}" for i, (c, _) in enumerate(EXPLAIN)],
)
def test_broken_explainer_fails_its_check(check, component, tmp_path):
    with pytest.raises(FAILED):
        run_check(ExplainerTests, check, component, tmp_path)


def test_every_check_has_an_explainer_that_fails_it():
    assert {f"test_explain_{c}" for c, _ in EXPLAIN} == set(checks(ExplainerTests))
