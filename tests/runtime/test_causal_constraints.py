"""Replies that cannot leave a set, and replies that must end in time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError, ModelError
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Trie
from recsys.runtime.prefixes import Prompt

CHOICES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=12)


def walk(trie: Trie, state: tuple[int, int, int], so_far: tuple[int, ...]) -> set[tuple[int, ...]]:
    found = {so_far} if trie.done(state) else set()
    for token in trie.allowed(state):
        found |= walk(trie, trie.step(state, int(token)), (*so_far, int(token)))
    return found


@given(CHOICES, st.sampled_from([1, 100, 70_000]))
def test_a_trie_holds_its_choices_and_no_others(small: list[list[int]], apart: int) -> None:
    choices = [[apart * token for token in choice] for choice in small]
    trie = Trie([np.array(c) for c in choices])
    wanted = {tuple(c) for c in choices}
    assert walk(trie, trie.start(), ()) == wanted
    assert len(trie) == len(wanted)
    assert trie.longest == max(map(len, wanted))
    for token in set(range(-1, 6)) - {c[0] for c in choices}:
        with pytest.raises(ValueError, match="not allowed"):
            trie.step(trie.start(), token)


@settings(max_examples=30, deadline=None)
@given(CHOICES, st.sampled_from([0.0, 3.0]), st.integers(0, 5))
def test_every_reply_is_a_choice(
    causal: Callable[[str], CausalLM], choices: list[list[int]], temperature: float, seed: int
) -> None:
    # Ids 0 to 2 are control tokens of the model, its end token among them.
    trie, rng = Trie([np.array(c) for c in choices]), np.random.default_rng(seed)
    prompts = [Prompt((rng.integers(3, 400, n),)) for n in (4, 6)]
    replies = causal("qwen3").generate(
        prompts, max_new_tokens=trie.longest, constraint=trie, temperature=temperature, seed=seed
    )
    for reply in replies:
        assert reply.ids.tolist() in choices
        assert reply.reason in {"stop", "constraint", "length"}
        assert reply.complete


@settings(max_examples=20, deadline=None)
@given(CHOICES, st.integers(1, 3), st.integers(0, 5))
def test_a_reply_cut_off_says_so(
    causal: Callable[[str], CausalLM], choices: list[list[int]], most: int, seed: int
) -> None:
    trie, prompt = Trie([np.array(c) for c in choices]), Prompt((np.random.default_rng(seed).integers(3, 400, 5),))
    reply = causal("qwen3").generate([prompt], max_new_tokens=most, constraint=trie, temperature=2.0, seed=seed)[0]
    assert reply.complete == (reply.ids.tolist() in choices)
    assert any(choice[: len(reply.ids)] == reply.ids.tolist() for choice in choices)


def test_greedy_takes_the_likeliest_step(causal: Callable[[str], CausalLM]) -> None:
    model, prompt = causal("llama"), Prompt((np.array([40, 50, 60]),))
    logits = model.next_token_logits([prompt])[0]
    ids = np.array([9, 77, 300])
    reply = model.generate([prompt], max_new_tokens=5, constraint=Trie([ids[k : k + 1] for k in range(3)]))[0]
    assert reply.ids.tolist() == [ids[logits[ids].argmax()]]
    assert reply.reason == "constraint"
    # The probability is the model's own, not the one among the choices.
    assert reply.logprob == pytest.approx(model.score([prompt], [[Prompt((reply.ids,))]])[0][0], abs=1e-4)


def test_titles_word_by_word(causal: Callable[[str], CausalLM]) -> None:
    model = causal("qwen3")
    assert model.tokens is not None
    titles = [" Steel kettle", " Steel kettle, large", " Garden chair"]
    trie = Trie.from_texts(titles, model.tokens)
    prompts = [Prompt((model.tokens.encode(f"Someone who bought {w} may like"),)) for w in ("tea", "seeds", "lamps")]
    own = [trie, Trie.from_texts(titles[2:], model.tokens), trie]
    replies = model.generate(prompts, max_new_tokens=trie.longest, constraint=own)
    assert {r.text for r in replies} <= set(titles)
    assert replies[1].text == titles[2]


def test_a_long_choice_costs_its_own_length_alone() -> None:
    whole = Trie([*(np.arange(k, k + 5) for k in range(2000)), np.zeros(50_000, np.int64)])
    assert (len(whole), whole.longest) == (2001, 50_000)
    assert sum(part.nbytes for part in vars(whole).values()) < 1_000_000


def test_what_makes_no_constraint(causal: Callable[[str], CausalLM]) -> None:
    for nothing in ([], [np.zeros(0, np.int64)]):
        with pytest.raises(ConfigError, match="at least one"):
            Trie(nothing)
    with pytest.raises(ConfigError, match="from 0"):
        Trie([np.array([3]), np.array([4, -1])])
    one = Prompt((np.array([5]),))
    with pytest.raises(ModelError, match="2 prompts need one constraint or as many, got 1"):
        causal("qwen3").generate([one, one], max_new_tokens=1, constraint=[Trie([np.array([4])])])


def test_a_deadline_ends_texts_as_they_are(causal: Callable[[str], CausalLM]) -> None:
    model, one = causal("qwen3"), Prompt((np.array([5, 6]),))
    late = model.generate([one, one], max_new_tokens=50, deadline=time.monotonic())
    assert [(r.reason, len(r.ids)) for r in late] == [("deadline", 0)] * 2
    free = model.generate([one], max_new_tokens=5, deadline=time.monotonic() + 60)[0]
    assert free.ids.tolist() == model.generate([one], max_new_tokens=5)[0].ids.tolist()
