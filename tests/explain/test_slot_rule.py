"""The constraint on what is written: slots of the case alone, each once, whole sentences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.explain.slot_rule import Alphabet, SlotRule
from recsys.explain.slots import SLOT, slot_names
from recsys.registry import import_optional
from recsys.runtime.tokens import Tokens
from recsys.testing.tiny import tiny_tokenizer

TEXTS = ["you took home the [SEEN] in May. Its owners say so! [ITEM] [QUOTE]"] * 3


def _slots_as_tokens() -> Tokens:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    added = import_optional("tokenizers").AddedToken
    tokenizer.add_tokens([added(s, special=False, normalized=False) for s in slot_names()])
    return Tokens(tokenizer)


# One that has a token for each slot, as ours; one that has to spell them.
TOKENS = {"own": _slots_as_tokens(), "foreign": Tokens(tiny_tokenizer(TEXTS, 300))}
ALPHABETS: dict[str, Alphabet] = {}


def alphabet(name: str) -> Alphabet:
    if name not in ALPHABETS:
        tokens = TOKENS[name]
        size = next(i for i in range(2000) if i > 260 and not tokens.decode([i]))
        ALPHABETS[name] = Alphabet.of(tokens, size, control=(0, 1, 2))
    return ALPHABETS[name]


@pytest.mark.parametrize("name", sorted(TOKENS))
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    offered=st.sets(st.sampled_from(["[SEEN]", "[WHEN]", "[QUOTE]", "[BRAND]", "[SEEN2]"]), min_size=1),
    length=st.integers(1, 60),
)
def test_any_walk_keeps_to_the_slots(name: str, seed: int, offered: set[str], length: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, letters = TOKENS[name], alphabet(name)
    required = {s for s in offered if rng.random() < 0.5}
    rule = SlotRule(offered, required, letters)
    state, written = rule.start(), []
    for _ in range(length):
        allowed = rule.allowed(state)
        assert len(allowed)
        assert (np.diff(allowed) > 0).all()
        # Slots are few among hundreds of words: look for them often.
        starts = allowed[~np.isin(allowed, letters.free)]
        pool = starts if len(starts) and rng.random() < 0.4 else allowed
        token = int(pool[rng.integers(len(pool))])
        state = rule.step(state, token)
        written.append(token)
        if rule.done(state):
            text = tokens.decode(written)
            assert required <= set(SLOT.findall(text))
            assert text.rstrip()[-1] in ".!?"
    while state.begun:
        token = int(rule.allowed(state)[0])
        state = rule.step(state, token)
        written.append(token)
    found = SLOT.findall(tokens.decode(written))
    assert set(found) == set(state.used) <= offered
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_what_is_not_allowed_is_refused(name: str) -> None:
    rule = SlotRule(["[SEEN]"], ["[SEEN]"], alphabet(name))
    way = alphabet(name).spelt["[SEEN]"][0]
    state = rule.start()
    assert not rule.done(state)
    for token in way:
        assert token in rule.allowed(state)
        state = rule.step(state, token)
    assert state.used == {"[SEEN]"}
    assert way[0] not in rule.allowed(state)
    with pytest.raises(ValueError, match="not allowed"):
        rule.step(state, way[0])
    with pytest.raises(ValueError, match="not allowed"):
        rule.step(state, 2)


def test_control_tokens_and_brackets_are_never_free() -> None:
    for name in TOKENS:
        texts = [TOKENS[name].decode([int(i)]) for i in alphabet(name).free]
        assert not any(set(text) & set("[]<>{}\n") for text in texts)
        assert not {0, 1, 2} & set(alphabet(name).free.tolist())


def test_unknown_slots_are_refused() -> None:
    with pytest.raises(ConfigError, match="NOTHING"):
        SlotRule(["[NOTHING]"], [], alphabet("own"))
    with pytest.raises(ConfigError, match="SEEN"):
        SlotRule([], ["[SEEN]"], alphabet("own"))
