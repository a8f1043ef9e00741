"""The causal language model over ONNX: batches, caches, threads, generation. Parity with torch is tested beside it."""

from __future__ import annotations

import copy
import dataclasses
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ModelError, ShapeMismatch
from recsys.runtime.causal import CausalLM
from recsys.runtime.decoder import open_decoder
from recsys.runtime.decoding import Sampler
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.prefixes import PrefixCache, Prompt
from recsys.runtime.session import Session, SessionSpec
from recsys.runtime.tokens import Tokens

Causal = Callable[[str], CausalLM]


class Counting:
    """A session that notes how many rows each call reads."""

    def __init__(self, inner: Session) -> None:
        self.inner = inner
        self.calls: list[int] = []

    @property
    def spec(self) -> SessionSpec:
        return self.inner.spec

    def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        self.calls.append(int(np.prod(inputs["position_ids"].shape)))
        return self.inner.run(inputs, outputs)


@pytest.fixture(scope="module")
def counted(written_folder: Callable[[str], Path], causal: Causal) -> Callable[..., tuple[CausalLM, Counting]]:
    folder = written_folder("qwen3")

    def made(**options: object) -> tuple[CausalLM, Counting]:
        body = Counting(OnnxSession(folder / "body.onnx", threads=1))
        a = options.pop("architecture", causal("qwen3").architecture)
        tokens = Tokens.from_file(folder / "tokenizer.json")
        head, table = np.load(folder / "head.npy"), np.load(folder / "embeddings.npy")
        return CausalLM(body, table, a, head=head, tokens=tokens, **options), body  # type: ignore[arg-type]

    return made


def prompt(rng: np.random.Generator, size: int, tag: str = "") -> Prompt:
    return Prompt((rng.integers(3, 400, size),), tag)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.lists(st.integers(0, 20), max_size=5)), max_size=4), st.integers(0, 9))
def test_single_equals_batch(causal: Causal, shape: list[tuple[int, list[int]]], seed: int) -> None:
    model, rng = causal("qwen3"), np.random.default_rng(seed)
    prefixes = [prompt(rng, p) for p, _ in shape]
    groups = [[prompt(rng, c) for c in sizes] for _, sizes in shape]
    together = model.score(prefixes, groups)
    assert len(together) == len(shape)
    for prefix, group, scores in zip(prefixes, groups, together, strict=True):
        assert scores.dtype == np.float32
        alone = [model.score([prefix], [[c]])[0][0] for c in group]
        np.testing.assert_allclose(scores, alone, atol=1e-5)
        assert np.array_equal(np.isnan(scores), [not len(c) for c in group])


def test_sum_mean_and_vectors(causal: Causal) -> None:
    model, rng = causal("llama"), np.random.default_rng(0)
    width = model.architecture.hidden
    soft = rng.normal(size=(2, width)).astype(np.float32)
    ids = rng.integers(3, 400, 6)
    prefix = Prompt((ids[:2], soft, ids[2:4]))
    mean, total = (model.score([prefix], [[Prompt((ids,))]], mean=m)[0][0] for m in (True, False))
    assert total == pytest.approx(6 * mean, rel=1e-5)
    # A vector is read, not predicted: what follows is scored behind it.
    mixed = Prompt((ids[:1], soft, ids[1:]))
    got = model.score([prefix], [[mixed]], mean=False)[0][0]
    behind = Prompt((*prefix.pieces, ids[:1], soft))
    want = model.score([prefix, behind], [[Prompt((ids[:1],))], [Prompt((ids[1:],))]], mean=False)
    assert got == pytest.approx(want[0][0] + want[1][0], abs=1e-4)
    assert np.isnan(model.score([prefix], [[Prompt((soft,))]])[0]).all()


def test_a_soft_prompt_of_token_rows_is_the_tokens(causal: Causal, written_folder: Callable[[str], Path]) -> None:
    model, ids = causal("qwen2-tied"), np.array([5, 70, 200, 9])
    rows = np.load(written_folder("qwen2-tied") / "embeddings.npy")[ids]
    one, other = model.next_token_logits([Prompt((ids,)), Prompt((ids[:1], rows[1:]))])
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_choices_are_columns_of_the_full_logits(causal: Causal) -> None:
    model, rng = causal("mistral-linear"), np.random.default_rng(1)
    prefix, group = prompt(rng, 9), [prompt(rng, 4), Prompt(()), prompt(rng, 7)]
    choices = np.array([17, 3, 399])
    got = model.choice_logits([prefix], [group], choices)[0]
    full = model.next_token_logits([Prompt(prefix.pieces + c.pieces) for c in group])
    np.testing.assert_allclose(got, full[:, choices], atol=1e-4)


def test_a_prefix_is_read_once_for_all_and_kept_for_later(counted: Callable[..., tuple[CausalLM, Counting]]) -> None:
    cache = PrefixCache(1 << 20)
    model, body = counted(prefixes=cache)
    rng = np.random.default_rng(2)
    prefix, group = prompt(rng, 50, "user-1"), [prompt(rng, 6) for _ in range(8)]
    first = model.score([prefix, prefix], [group, group[:2]])
    # 50 rows of the prefix, once; then five rows a continuation: the last token of each predicts nothing asked for.
    assert body.calls[0] == 50
    assert sum(body.calls[1:]) <= 2 * 8 * 5
    body.calls.clear()
    again = model.score([prefix], [group])
    assert body.calls == [40]
    np.testing.assert_allclose(again[0], first[0], atol=1e-5)
    assert 0 < cache.nbytes <= 1 << 20
    assert model.forget("user-1") == 1
    assert len(cache) == cache.nbytes == 0
    assert model.forget("user-1") == 0


def test_calls_stay_within_the_bound_of_rows(counted: Callable[..., tuple[CausalLM, Counting]], causal: Causal) -> None:
    model, body = counted(batch_rows=64)
    rng = np.random.default_rng(3)
    prefixes = [prompt(rng, n) for n in (40, 7, 60)]
    groups = [[prompt(rng, int(c)) for c in rng.integers(1, 30, 9)] for _ in prefixes]
    got = model.score(prefixes, groups)
    assert len(body.calls) > 6
    assert max(body.calls) <= 64
    for one, other in zip(got, causal("qwen3").score(prefixes, groups), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_many_prompts_are_held_in_parts(counted: Callable[..., tuple[CausalLM, Counting]], causal: Causal) -> None:
    model, body = counted(batch_rows=16)
    rng = np.random.default_rng(11)
    prefixes = [prompt(rng, 12) for _ in range(20)]
    groups = [[prompt(rng, 3)] for _ in prefixes]
    want = causal("qwen3")
    np.testing.assert_allclose(model.score(prefixes, groups), want.score(prefixes, groups), atol=1e-5)
    # Prefixes of one part are read, then their continuations, then those of the next part.
    assert len({body.calls[k] for k in (0, 1, 2, 3, 4)}) == 1
    assert body.calls[5] < body.calls[0] == body.calls[6]
    np.testing.assert_allclose(model.next_token_logits(prefixes), want.next_token_logits(prefixes), atol=1e-5)
    one, other = (m.generate(prefixes, max_new_tokens=3) for m in (model, want))
    assert [r.ids.tolist() for r in one] == [r.ids.tolist() for r in other]


def test_more_rows_in_a_call_than_positions(causal: Causal) -> None:
    model, rng = causal("qwen3"), np.random.default_rng(10)
    prefix, group = prompt(rng, 20), [prompt(rng, 19) for _ in range(30)]
    assert model.max_tokens < 30 * 18
    got = model.score([prefix], [group])[0]
    np.testing.assert_allclose(got[:2], model.score([prefix], [group[:2]])[0], atol=1e-5)


def test_threads_agree(causal: Causal, written_folder: Callable[[str], Path]) -> None:
    model, rng = causal("qwen3"), np.random.default_rng(4)
    work = [(prompt(rng, 20), [prompt(rng, int(c)) for c in rng.integers(1, 12, 6)]) for _ in range(12)]
    want = [model.score([p], [g])[0] for p, g in work]
    text = model.generate([work[0][0]], max_new_tokens=10)[0]
    with ThreadPoolExecutor(2) as pool:
        written = [pool.submit(model.generate, [work[0][0]], max_new_tokens=10) for _ in range(3)]
        got = list(pool.map(lambda w: model.score([w[0]], [w[1]])[0], work))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    two = open_decoder(written_folder("qwen3"), threads=2)
    for one, other in zip(two.score(*map(list, zip(*work, strict=True))), want, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert all(w.result()[0].ids.tolist() == text.ids.tolist() for w in written)


def test_generation_in_a_batch_ends_text_by_text(counted: Callable[..., tuple[CausalLM, Counting]]) -> None:
    model, _ = counted()
    rng = np.random.default_rng(5)
    prompts = [prompt(rng, n) for n in (12, 10, 14, 11)]
    plain = model.generate(prompts, max_new_tokens=20)
    assert [r.reason for r in plain] == ["length"] * 4
    # Let a token that the texts hold be the end: each stops before its own first one.
    end = int(plain[0].ids[4])
    short, body = counted(architecture=dataclasses.replace(model.architecture, eos=(end,)))
    got = short.generate(prompts, max_new_tokens=20)
    for one, reply, whole in zip(prompts, got, plain, strict=True):
        cut = whole.ids.tolist().index(end) if end in whole.ids else None
        assert reply.ids.tolist() == whole.ids[:cut].tolist()
        assert reply.reason == ("length" if cut is None else "stop")
        alone = model.generate([one], max_new_tokens=20)[0]
        assert alone.ids.tolist() == whole.ids.tolist()
        assert alone.logprob == pytest.approx(whole.logprob, abs=1e-4)
        assert (reply.tokens_in, reply.tokens_out) == (len(one), len(reply.ids))
    assert min(body.calls[1:]) < 4


def test_log_probability_of_a_text_is_its_score(causal: Causal) -> None:
    model, one = causal("llama"), prompt(np.random.default_rng(6), 8)
    reply = model.generate([one], max_new_tokens=9)[0]
    score = model.score([one], [[Prompt((reply.ids,))]], mean=False)[0][0]
    assert reply.logprob == pytest.approx(score, abs=1e-3)


def test_stop_strings_are_left_out(causal: Causal) -> None:
    model, one = causal("qwen3"), prompt(np.random.default_rng(7), 8)
    whole = model.generate([one], max_new_tokens=24)[0].text
    stop = whole[5:8]
    reply = model.generate([one], max_new_tokens=24, stop=["never seen in this text", stop])[0]
    assert reply.text == whole[: whole.index(stop)]
    assert reply.reason == "stop"


def test_draws_depend_on_seed_and_prompt_alone(causal: Causal) -> None:
    model, rng = causal("qwen3"), np.random.default_rng(8)
    prompts = [prompt(rng, 9), prompt(rng, 9), prompt(rng, 3)]
    batch = model.generate(prompts, max_new_tokens=12, temperature=1.0, seed=1)
    alone = [model.generate([p], max_new_tokens=12, temperature=1.0, seed=1)[0] for p in prompts]
    assert [r.ids.tolist() for r in batch] == [r.ids.tolist() for r in alone]
    tagged = [Prompt(p.pieces, f"user-{k}") for k, p in enumerate(prompts)]
    for reply, same in zip(batch, model.generate(tagged, max_new_tokens=12, temperature=1.0, seed=1), strict=True):
        assert reply.ids.tolist() == same.ids.tolist()
    other = model.generate(prompts, max_new_tokens=12, temperature=1.0, seed=2)
    assert [r.ids.tolist() for r in batch] != [r.ids.tolist() for r in other]


def test_draws_follow_the_probabilities() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    drawn = Sampler(1.0, 0, "ab" * 32)
    counts = np.bincount([drawn.pick(logits) for _ in range(4000)], minlength=3) / 4000
    np.testing.assert_allclose(counts, [0.5, 0.3, 0.2], atol=0.03)


def test_warming_up_reads_little(counted: Callable[..., tuple[CausalLM, Counting]]) -> None:
    model, body = counted(prefixes=PrefixCache(1 << 20))
    model.warm_up()
    assert body.calls
    assert max(body.calls) <= 2
    assert model.forget("") == 0


def test_nothing_asked(causal: Causal) -> None:
    model = causal("qwen3")
    assert model.score([], []) == []
    assert model.generate([], max_new_tokens=3) == []
    assert model.next_token_logits([]).shape == (0, model.architecture.vocabulary)
    one = Prompt((np.array([5]),))
    assert model.score([one], [[]])[0].shape == (0,)
    assert model.hidden([one], [[]])[0].shape == (0, model.architecture.hidden)
    assert len(model.generate([one], max_new_tokens=0)[0].ids) == 0


def test_what_cannot_be_read(causal: Causal) -> None:
    model, one = causal("qwen3"), Prompt((np.array([5]),))
    with pytest.raises(ModelError, match="at least one row"):
        model.score([Prompt(())], [[one]])
    with pytest.raises(ModelError, match="has 201 rows, the model takes 200"):
        model.score([one], [[Prompt((np.full(200, 9),))]])
    with pytest.raises(ModelError, match="has 201 rows"):
        model.generate([one], max_new_tokens=200)
    for wrong in (np.array([400]), np.array([-1]), np.array([True])):
        with pytest.raises(ModelError, match="below 400"):
            model.score([one], [[Prompt((wrong,))]])
    with pytest.raises(ShapeMismatch, match=r"\(2, 3\)"):
        model.next_token_logits([Prompt((np.zeros((2, 3), np.float32),))])
    with pytest.raises(ModelError, match="as many groups"):
        model.score([one], [])


def test_without_a_tokenizer_there_are_ids_alone(causal: Causal, written_folder: Callable[[str], Path]) -> None:
    folder, one = written_folder("qwen2-tied"), Prompt((np.array([5, 6]),))
    body, table = OnnxSession(folder / "body.onnx", threads=1), np.load(folder / "embeddings.npy")
    mute = CausalLM(body, table, causal("qwen2-tied").architecture)
    with pytest.raises(ModelError, match="need a tokenizer"):
        mute.generate([one], max_new_tokens=2, stop=["."])
    reply, full = (m.generate([one], max_new_tokens=4)[0] for m in (mute, causal("qwen2-tied")))
    assert reply.text == ""
    assert reply.ids.tolist() == full.ids.tolist()
    assert mute.forget("anyone") == 0


def test_a_folder_opened_twice_gives_the_same(written_folder: Callable[[str], Path], causal: Causal) -> None:
    one = prompt(np.random.default_rng(9), 15, "someone")
    other = open_decoder(written_folder("qwen3"), threads=1, prefix_bytes=1 << 16)
    for _ in range(2):
        np.testing.assert_allclose(other.next_token_logits([one]), causal("qwen3").next_token_logits([one]), atol=1e-6)
    assert other.forget("someone") == 1


def test_what_is_forgotten_while_it_is_read_does_not_come_back(causal: Causal) -> None:
    model, rng = copy.copy(causal("qwen3")), np.random.default_rng(0)
    cache = model._prefixes = PrefixCache(1 << 24)
    bob, eve, one = prompt(rng, 5, "bob"), prompt(rng, 7, "eve"), prompt(rng, 2)

    class Erased(Counting):
        def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
            out = super().run(inputs, outputs)
            assert cache.forget("bob") == 0
            return out

    body = model._body
    model._body = Erased(body)
    model.score([bob, eve], [[one], [one]])
    assert (len(cache), cache.forget("bob"), cache.get(bob)) == (1, 0, None)
    # A read that begins afterwards is kept again.
    model._body = body
    model.score([bob], [[one]])
    assert (len(cache), cache.forget("bob"), len(cache)) == (2, 1, 1)


def test_texts_and_what_they_may_become_stay_within_the_bound(causal: Causal) -> None:
    model, rng = copy.copy(causal("qwen3")), np.random.default_rng(12)
    held: list[int] = []

    class Held(Counting):
        def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
            past = inputs["past_key_0"].shape
            held.append(past[0] * past[2])
            return super().run(inputs, outputs)

    prompts = [prompt(rng, n) for n in (2, 3, 2, 40, 2, 5, 2, 2, 3, 2)]
    want = model.generate(prompts, max_new_tokens=30, temperature=2.0)
    model._body, model._batch_rows = Held(model._body), 100
    got = model.generate(prompts, max_new_tokens=30, temperature=2.0)
    assert max(held) <= 100
    assert [r.ids.tolist() for r in got] == [r.ids.tolist() for r in want]


def test_rows_of_many_continuations_are_not_held(causal: Causal) -> None:
    model, rng = copy.copy(causal("qwen3")), np.random.default_rng(13)
    alive: list[int] = []

    class Alive(Counting):
        def __init__(self, inner: Session) -> None:
            super().__init__(inner)
            self.given: list[weakref.ref[np.ndarray]] = []

        def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
            alive.append(sum(len(rows) for rows in (ref() for ref in self.given) if rows is not None))
            out = super().run(inputs, outputs)
            self.given.append(weakref.ref(out["hidden"]))
            return out

    prefix, group = [prompt(rng, 4)], [[prompt(rng, int(n)) for n in rng.integers(2, 9, 100)]]
    want = [ask(prefix, group)[0] for ask in (model.score, model.hidden)]
    model._body, model._batch_rows = Alive(model._body), 50
    for ask, other in zip((model.score, model.hidden), want, strict=True):
        np.testing.assert_allclose(ask(prefix, group)[0], other, atol=1e-5)
    assert len(alive) > 10
    # At most the prefix and the call before are still there.
    assert max(alive) <= 4 + 50
