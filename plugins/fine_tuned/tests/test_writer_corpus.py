"""The grammar that the explanation writer learns from, and the pairs that are drawn from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from recsys_fine_tuned.corpus import Grammar, families, kept
from recsys_fine_tuned.writer_data import ACTS, TONES, Kept, frame, held_out, pairs, varied
from writer_worlds import small_cases

from recsys.errors import ConfigError
from recsys.eval.generation_share import ngrams
from recsys.explain.slots import SLOT, TURNS, draft
from recsys.explain.template import Template

GRAMMAR = Grammar.read()
TEMPLATE = Template()


def test_nearly_every_reason_holds() -> None:
    counted = Kept()
    found = list(pairs(small_cases(learnt=True), GRAMMAR, 400, 0, counted))
    assert counted.given > 300
    assert counted.share >= 0.99, counted
    assert len(found) == counted.kept
    assert all(kept(one.draft, one.text) for one in found[:50])


def test_the_words_are_not_the_templates() -> None:
    cases = small_cases(learnt=False)
    rng = np.random.default_rng(0)
    known = {gram for one in TEMPLATE.explain(cases) for gram in ngrams(one.text)}
    drafts = [made for c in cases if (made := draft(c, TEMPLATE.phrases_for(c))) is not None]
    grams = [gram for one in drafts for gram in ngrams(one.filled(GRAMMAR.say(one, rng)))]
    assert sum(gram not in known for gram in grams) / len(grams) >= 0.5


def test_there_are_words_for_every_act_and_field() -> None:
    for name in ("did", "deed", "which", "itself"):
        assert set(GRAMMAR.lists[name]) == set(ACTS)
    for name in ("both", "shares"):
        assert set(GRAMMAR.lists[name]) == set(families())
    assert {tone for tone, _, _ in GRAMMAR.leads} == set(TONES)


def test_every_kind_of_fact_has_a_beginning_in_every_tone_and_certainty() -> None:
    kinds = {kind for _, kind, _ in GRAMMAR.leads}
    assert kinds == set(GRAMMAR.follows) | {"event_attribute"}
    for kind in kinds:
        for sure in ("strong", "moderate", "weak"):
            assert ("plain", kind, sure) in GRAMMAR.leads


def test_the_turn_decides_the_beginning() -> None:
    case = next(c for c in small_cases(learnt=True) if any(f.kind == "event" for f in c.facts))
    words = TEMPLATE.phrases_for(case)
    texts = {}
    for place in range(TURNS):
        made = draft(replace(case, seed=place), words)
        assert made is not None
        found = {SLOT.sub("", GRAMMAR.say(made, np.random.default_rng(k))).split()[-1] for k in range(3)}
        texts[made.turn] = found
        line = made.lines[0]
        assert len(GRAMMAR.ways(line, made.tone, made.sure, first=True)) > 1
    assert set(texts) == set(range(TURNS))


def test_pairs_are_drawn_by_seed_and_held_combinations_are_apart() -> None:
    cases = small_cases(learnt=True)
    first, again = ([(p.text, p.held) for p in pairs(cases, GRAMMAR, 80, 5)] for _ in range(2))
    assert first == again
    found = list(pairs(cases, GRAMMAR, 300, 6))
    learnt = {frame(p.draft) for p in found if not p.held}
    held = {frame(p.draft) for p in found if p.held}
    assert learnt
    assert held
    assert not learnt & held
    assert all(p.held == held_out(p.draft) for p in found)


def test_variants_of_a_case_say_other_things() -> None:
    rng = np.random.default_rng(1)
    case = max(small_cases(learnt=True), key=lambda c: len(c.facts))
    made = [draft(v, TEMPLATE.phrases_for(v)) for v in (varied(case, rng) for _ in range(60))]
    frames = Counter(frame(one) for one in made if one is not None)
    assert len(frames) > 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"follow": {"event": ["Also {nothing}."]}}, "nothing"),
        ({"follow": {"event": ["Also [SEEN]."]}}, "brace"),
        ({"lead": {"plain": {"event": {"sure": ["{did}."]}}}}, "sure"),
    ],
)
def test_a_wrong_grammar_is_refused(change: dict[str, object], words: str) -> None:
    plain = {"did": {"purchase": ["you bought {seen}"]}, "lead": {}, "follow": {}}
    with pytest.raises(ConfigError, match=words):
        Grammar.of({**plain, **change})


def test_a_language_without_reasons_is_refused() -> None:
    with pytest.raises(ConfigError, match="'xx'"):
        Grammar.read("xx")
