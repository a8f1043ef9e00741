"""Reasons that a language model words: what is shown, what falls back, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explain_cases import case, event, fact, review, shared

from recsys.errors import ConfigError
from recsys.explain.check import check
from recsys.explain.generate import PROMPTS, Generate
from recsys.explain.template import Template
from recsys.explanation import Case
from recsys.protocols import Deps
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Constraint
from recsys.runtime.decoder import open_decoder, write_decoder
from recsys.runtime.decoding import Reply
from recsys.runtime.prefixes import Prompt
from recsys.testing.tiny import tiny_decoder

BOUGHT = fact("event", 0.8, event("purchase"), causal_drop=0.2)
QUOTED = fact("aspect", 0.6, review("the fit is great"), aspect="fit", sentiment=0.9)
CASES = [
    case(BOUGHT, QUOTED), case(BOUGHT, shared("brand", "Trailhead", 0.7)), case(QUOTED, BOUGHT, register="friendly"),
    case(BOUGHT, register="brief", seed=3), case(), case(BOUGHT, QUOTED, seed=1),
]  # fmt: skip
TEXTS = ["You picked up [SEEN] [WHEN], and an owner says [QUOTE] about the [ASPECT]. Good!"] * 4


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CausalLM:
    """A hub model of random weights: it has no token for a slot and no idea what to say."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    tiny_decoder(folder / "hub", TEXTS, family="llama", seed=3, max_position_embeddings=1024)
    return open_decoder(write_decoder(folder / "hub", folder / "onnx", max_tokens=1024), threads=1)


class Scripted:
    """A model that always writes the same; what it was asked is kept."""

    def __init__(self, tiny: CausalLM, text: str, *, complete: bool = True, doubt: float = 0.0) -> None:
        self.tokens, self.architecture = tiny.tokens, tiny.architecture
        self.text, self.complete, self.doubt = text, complete, doubt
        self.asked: list[list[Prompt]] = []

    def generate(
        self, prompts: Sequence[Prompt], *, constraint: Sequence[Constraint], max_new_tokens: int, **more: Any
    ) -> list[Reply]:
        self.asked.append(list(prompts))
        # Slots are spelt by themselves: a tokenizer alone might join a bracket with the mark behind it.
        parts = re.split(r"( ?\[[A-Z]+\])", self.text)
        ids = np.concatenate([self.tokens.trusted(part) for part in parts if part])
        for rule in constraint:
            state = rule.start()
            for token in ids.tolist():
                assert token in rule.allowed(state)
                state = rule.step(state, token)
            assert rule.done(state) or not self.complete
        reason = "stop" if self.complete else "deadline"
        return [Reply(self.text, ids, -self.doubt * len(ids), reason, 1, len(ids), self.complete) for _ in prompts]


def generate(model: Any, **options: Any) -> Generate:
    return Generate(Generate.Config(**options), model)


def test_what_holds_is_shown(tiny: CausalLM) -> None:
    explainer = generate(Scripted(tiny, " You picked up [SEEN] [WHEN]. An owner says [QUOTE] about the [ASPECT]."))
    (one,) = explainer.explain([CASES[0]])
    assert one.text == (
        "You picked up the Trailhead Storm Rain Jacket in April. An owner says “the fit is great” about the fit."
    )
    assert (one.kind, one.confidence, one.causal_drop, one.removed) == ("generated", "strong", 0.2, ())
    assert {e.kind for e in one.evidence} == {"event", "review"}
    assert check(one.text, one.evidence, CASES[0].title, now=CASES[0].now, item_id="r").supported
    assert explainer.counts == {"generated": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" Experts adore [SEEN]. About the [ASPECT] an owner says [QUOTE].", "unsupported"),
        (" You never returned [SEEN]. About the [ASPECT] an owner says [QUOTE].", "unsupported"),
        (" It comes in blue, like [SEEN]. About the [ASPECT] an owner says [QUOTE].", "unsupported"),
    ],
)
def test_what_is_not_so_is_not_shown(tiny: CausalLM, text: str, why: str) -> None:
    explainer = generate(Scripted(tiny, text))
    assert explainer.explain([CASES[0]]) == Template().explain([CASES[0]])
    assert explainer.counts == {why: 1}


def test_a_text_that_was_cut_is_not_shown_and_not_kept(tiny: CausalLM) -> None:
    model = Scripted(tiny, " You picked up [SEEN]", complete=False)
    explainer = generate(model)
    for _ in range(2):
        assert explainer.explain([CASES[0]]) == Template().explain([CASES[0]])
    assert explainer.counts == {"deadline": 2}
    assert len(model.asked) == 2


def test_a_text_that_the_model_doubts_is_not_shown(tiny: CausalLM) -> None:
    text = " You picked up [SEEN] [WHEN]. An owner says [QUOTE] about the [ASPECT]."
    for doubt, options, count in (
        (0.2, {}, {"generated": 1}),
        (0.4, {}, {"unsure": 1}),
        (0.4, {"doubt": 0.5}, {"generated": 1}),
        (4.0, {"prompt": "instruct"}, {"generated": 1}),
    ):
        explainer = generate(Scripted(tiny, text, doubt=doubt), **options)
        (one,) = explainer.explain([CASES[0]])
        assert explainer.counts == count
        assert one.kind == ("generated" if "generated" in count else "template")


def test_what_reads_alike_is_written_once(tiny: CausalLM) -> None:
    model = Scripted(tiny, " You picked up [SEEN] [WHEN]. An owner says [QUOTE] about the [ASPECT].")
    explainer = generate(model)
    other = fact("event", 0.8, event("purchase", item_id="k", title="Copper Kettle"))
    cases = [CASES[0], case(other, QUOTED)]
    texts = [one.text for one in explainer.explain(cases)]
    assert "Kettle" in texts[1]
    assert texts == [one.text for one in explainer.explain(cases)]
    assert [len(asked) for asked in model.asked] == [1]


def test_a_model_of_random_weights_says_nothing_by_itself(tiny: CausalLM) -> None:
    explainer = generate(tiny, prompt="instruct", max_new_tokens=24)
    plain = Template().explain(CASES)
    said = explainer.explain(CASES)
    assert [one for one in said if one.kind != "generated"] == [
        p for p, one in zip(plain, said, strict=True) if one.kind != "generated"
    ]
    for one, about in zip(said, CASES, strict=True):
        made = check(one.text, one.evidence, about.title, now=about.now, item_id=about.item_id)
        assert not one.text or made.supported
    assert sum(explainer.counts.values()) == len(CASES) - 1
    assert said == [generate(tiny, prompt="instruct", max_new_tokens=24).explain([one])[0] for one in CASES]


def test_sampled_texts_repeat_by_seed(tiny: CausalLM) -> None:
    def words(seed: int) -> list[str]:
        return generate(tiny, temperature=1.0, seed=seed, max_new_tokens=12).wordings(CASES[:2])

    assert words(1) == words(1) != words(2)


def test_other_languages_are_the_templates(tiny: CausalLM) -> None:
    german = replace(CASES[0], locale="de-AT")
    explainer = generate(tiny)
    assert explainer.explain([german, replace(german, facts=())]) == Template().explain(
        [german, replace(german, facts=())]
    )
    assert explainer.counts == {"language": 1}
    assert explainer.wordings([german]) == [""]


def test_the_prompt_tells_tone_strength_and_facts(tiny: CausalLM) -> None:
    model = Scripted(tiny, " You picked up [SEEN] [WHEN]. An owner says [QUOTE] about the [ASPECT].")
    generate(model, prompt="Tone {tone}, {sure}.\n{facts}\nNow:").explain([CASES[0]])
    ids = np.concatenate(model.asked[0][0].pieces)
    assert ids[0] == tiny.architecture.bos
    assert tiny.tokens is not None
    assert tiny.tokens.decode(ids) == (
        "Tone plain, strong.\n- bought [SEEN] [WHEN]\n- one review on [ASPECT]: [QUOTE]\nNow:"
    )
    assert model.asked[0][0].tag == ""


def test_settings_are_checked(tiny: CausalLM) -> None:
    with pytest.raises(ValueError, match="facts"):
        Generate.Config(prompt="Say something.")
    for prompt in PROMPTS:
        assert Generate.Config(prompt=prompt).prompt == prompt
    with pytest.raises(ConfigError, match="no model 'writer'"):
        Generate.from_config(Generate.Config(), Deps())
    made = Generate.from_config(Generate.Config(model="mine"), Deps(models={"mine": tiny}))
    assert made.explain([]) == []


def test_a_model_without_a_tokenizer_is_refused(tiny: CausalLM) -> None:
    bare = Scripted(tiny, "")
    bare.tokens = None
    with pytest.raises(ConfigError, match="tokenizer"):
        generate(bare)


def test_no_case_is_mixed_with_another(tiny: CausalLM) -> None:
    explainer = generate(Scripted(tiny, " You picked up [SEEN] [WHEN]. An owner says [QUOTE] about the [ASPECT]."))
    cases: list[Case] = [
        case(fact("event", 0.8, event("purchase", item_id=f"k{i}", title=f"Kettle Number {name}")), QUOTED)
        for i, name in enumerate(("Ash", "Birch", "Cedar"))
    ]  # fmt: skip
    for one, name in zip(explainer.explain(cases), ("Ash", "Birch", "Cedar"), strict=True):
        assert name in one.text
