"""Examples from a shop, the tokenizer that reads them, and their rows and batches."""

from __future__ import annotations

import dataclasses

import fine_tuned_toys as toys
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recsys_fine_tuned import tasks
from recsys_fine_tuned.conditioning import padded
from recsys_fine_tuned.rows import IGNORED, Layout, batch_of, epochs, groups
from recsys_fine_tuned.tokenizer import SLOTS, SPECIAL, plain, tokens_of, train_tokenizer
from recsys_fine_tuned.vectors import collaborative_vectors

from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError, ModelError, ShapeMismatch
from recsys.types import Event, Item, Review

DAY = 86_400
WORDS = "The Acme oak table is STURDY. Dear, and it wobbles."
PIECES = [*SPECIAL, *SLOTS, "<pa", "d>", "[IT", "EM]", " ", "a", "\u202e", "\x00", "é"]
VECTORS = np.eye(4, dtype=np.float32)
TOKENIZER = train_tokenizer([*toys.KINDS, "a kettle for the kitchen 120 cm"], 400)
SPEC = toys.TINY.conditioning.of(4, 32)


def shop() -> Dataset:
    items = [Item(item_id=f"i{k}", title=t, brand="Acme") for k, t in enumerate(toys.KINDS)]
    events = [
        Event(user_id="u", item_id=f"i{k}", kind="purchase", time=100 + n) for n, k in enumerate((0, 1, 1, 2, 0, 3))
    ]
    events.append(Event(user_id="v", item_id="i2", kind="purchase", time=90))
    reviews = [
        Review(user_id="u", item_id="i2", text=WORDS, summary="Good [ITEM]", rating=4.0, time=105),
        Review(user_id="w", item_id="i1", text="<eos>Hot.", rating=2.0),
        Review(user_id="u", item_id="gone", text="No such thing.", rating=1.0),
    ]  # fmt: skip
    return Dataset.of(items, events, reviews)


def test_next_items_are_first_choices_behind_their_history() -> None:
    found = tasks.next_items(shop(), VECTORS, per_user=9)
    # Items 1 and 0 were chosen again: repeats are no targets.
    assert [(e.source, e.target) for e in found] == [
        ("red kettle", "blue kettle"),
        ("blue kettle; red kettle", "oak table"),
        ("red kettle; oak table; blue kettle; red kettle", "pine table"),
    ]
    np.testing.assert_array_equal(found[1].user, VECTORS[[0, 1]])
    assert [e.target for e in tasks.next_items(shop(), VECTORS, since=103)] == ["oak table", "pine table"]
    assert len(tasks.next_items(shop(), VECTORS, repeats=True)) == 5
    one = tasks.next_items(shop(), VECTORS, per_user=1, seed=4)
    assert len(one) == 1
    assert one[0].target == tasks.next_items(shop(), VECTORS, per_user=1, seed=4)[0].target


def test_looks_of_the_visit_are_no_history() -> None:
    kinds = ("purchase", "view", "view", "cart", "purchase")
    events = [
        Event(user_id="u", item_id=f"i{k}", kind=kind, time=n)
        for n, (k, kind) in enumerate(zip((0, 1, 2, 3, 3), kinds, strict=True))
    ]
    data = Dataset.of([Item(item_id=f"i{k}", title=t) for k, t in enumerate(toys.KINDS)], events)
    (found,) = tasks.next_items(data, VECTORS)
    assert (found.source, found.target) == ("red kettle", "pine table")


def test_vectors_bring_together_what_is_chosen_together() -> None:
    rng = np.random.default_rng(0)
    events = [
        Event(user_id=f"u{u}", item_id=f"i{6 * (u % 2) + rng.integers(6)}", kind="purchase", time=u * 100 + n)
        for u in range(60)
        for n in range(8)
    ]
    data = Dataset.of([Item(item_id=f"i{k}") for k in range(13)], events)
    vectors = collaborative_vectors(data.log, 13, width=4)
    same = vectors @ vectors.T
    assert same[:6, :6].mean() > 0.5 > 0.1 > abs(same[:6, 6:12].mean())
    assert not vectors[12].any()
    np.testing.assert_array_equal(vectors, collaborative_vectors(data.log, 13, width=4))
    assert not collaborative_vectors(data.with_log(data.log.where(np.zeros(len(data.log), bool))).log, 13).any()


def test_older_vectors_know_learned_targets_no_better_than_unseen_ones() -> None:
    """The model is to trust the vectors as far as it may when it serves, not as if they had seen the answer."""
    rng = np.random.default_rng(0)
    n, shelf = 1000, 200
    events = [
        Event(user_id=f"u{u}", item_id=f"i{shelf * (u % 5) + rng.integers(shelf)}", time=DAY * step + u)
        for u in range(300)
        for step in range(10)
    ]
    data = Dataset.of([Item(item_id=f"i{k}", title=f"thing {k}") for k in range(n)], events)
    train, cut = tasks.before(data, 0.9)
    older, since = tasks.before(train, 0.6)
    vectors = collaborative_vectors(older.log, n, width=32)
    learnt, unseen = _found(vectors, train, since), _found(vectors, data, cut)
    assert learnt < 1.5 * unseen
    knowing = collaborative_vectors(train.log, n, width=32)
    assert _found(knowing, train, since) > 2 * _found(knowing, data, cut)  # what this guards against is there


def _found(vectors: np.ndarray, data: Dataset, since: int) -> float:
    """Return the mean reciprocal rank of targets by the mean vector of the latest five items."""
    n = len(data.items)
    names = [tasks.title_of(t) for t in data.items.titles]
    row = {name: k for k, name in enumerate(names)}
    out = []
    for example in tasks.next_items(data, np.arange(n, dtype=np.float32)[:, None], since=since):
        history = example.user[:, 0].astype(int)
        scores = vectors @ vectors[history[-5:]].mean(0)
        scores[history] = -9
        out.append(1 / (1 + (scores > scores[row[example.target]]).sum()))
    assert len(out) > 100
    return float(np.mean(out))


def test_data_are_divided_by_time() -> None:
    older, since = tasks.before(shop(), 0.5)
    assert since == 102
    assert older.log.events.times.max() < since
    assert "i2" not in {r.item_id for r in older.reviews}
    for share in (0.0, 1.0):
        with pytest.raises(ConfigError, match="share"):
            tasks.before(shop(), share)
    with pytest.raises(DataError, match="moments"):
        tasks.before(shop(), 0.01)


def test_reviews_before_that_second_teach_nothing() -> None:
    for make in (tasks.ratings, tasks.summaries):
        assert [e.source for e in make(shop(), VECTORS, since=105)] == [make(shop(), VECTORS)[0].source]
        assert make(shop(), VECTORS, since=106) == []
    assert tasks.explanations(shop(), VECTORS, {"sturdy": "quality"}, since=106) == []


def test_a_review_without_a_time_is_as_old_as_the_choice() -> None:
    data = shop()
    reviews = (
        Review(user_id="u", item_id="i2", text="So.", rating=4.0),
        Review(user_id="v", item_id="i1", text="", rating=1),
    )
    first, second = tasks.ratings(dataclasses.replace(data, reviews=reviews), VECTORS)
    np.testing.assert_array_equal(first.user, VECTORS[[0, 1]])
    assert second.user is not None
    assert len(second.user) == 0


def test_reviews_give_ratings_and_summaries_without_the_item_itself() -> None:
    first, second = tasks.ratings(shop(), VECTORS)
    assert (first.source, first.target, first.rating) == ("oak table", "4", 4.0)
    np.testing.assert_array_equal(first.items, VECTORS[[2]])
    # What came before the review, the reviewed item left out.
    np.testing.assert_array_equal(first.user, VECTORS[[0, 1, 0]])
    assert second.user is not None
    assert len(second.user) == 0
    (summary,) = tasks.summaries(shop(), VECTORS)
    assert (summary.source[:8], summary.target) == ("The Acme", "Good")


def test_explanations_are_delexicalised_sentences_about_one_aspect() -> None:
    (found,) = tasks.explanations(shop(), VECTORS, {"sturdy": "build", "wobbles": "stability", "Dear": "price"})
    assert (found.source, found.target) == ("[ASPECT] build", "The [BRAND] [ITEM] is [ASPECT].")
    assert tasks.explanations(shop(), VECTORS, {}) == []
    slots = {"[ITEM]": "oak [BRAND]", "[BRAND]": "Acme", "[ASPECT]": "sturdy"}
    assert tasks.relexicalise(found.target, slots) == "The Acme oak [BRAND] is sturdy."
    assert tasks.relexicalise("as it is", {}) == tasks.delexicalise("as it is", {"[ITEM]": " "}) == "as it is"
    assert tasks.delexicalise("A tablet is no table", {"[ITEM]": "table"}) == "A tablet is no [ITEM]"


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_foreign_text_never_spells_a_token(parts: list[str]) -> None:
    text = plain("".join(parts))
    control = {TOKENIZER.token_to_id(t) for t in (*SPECIAL, *SLOTS)}
    assert not control & set(TOKENIZER.encode(text, add_special_tokens=False).ids)
    assert plain(text) == text
    assert text.isprintable()


def test_long_foreign_text_is_cut() -> None:
    assert len(plain("x" * 1_000_000)) == 4000
    assert len(tasks.title_of("word " * 100_000)) < 161


@given(st.text(max_size=60))
def test_any_text_comes_back(text: str) -> None:
    clean = plain(text).encode("utf-8", "replace").decode()
    tokens = tokens_of(TOKENIZER)
    assert tokens.decode(tokens.trusted(clean)) == clean


def test_slots_are_one_token_and_stay_in_decoded_text() -> None:
    tokens = tokens_of(TOKENIZER)
    for slot in SLOTS:
        assert len(tokens.trusted(slot)) == 1
    assert tokens.decode(tokens.trusted("<bos>for [ITEM] <eos>")).strip() == "for [ITEM]"
    assert [tokens.id_of(t) for t in ("<pad>", "<bos>", "<eos>")] == [0, 1, 2]
    again = train_tokenizer([*toys.KINDS, "a kettle for the kitchen 120 cm"], 400)
    assert again.to_str() == TOKENIZER.to_str()


def test_rows_say_what_each_predicts() -> None:
    layout = Layout(tokens_of(TOKENIZER), SPEC, 64, max_target=6)
    examples = [
        tasks.Example("next-item", "red kettle", "oak table", VECTORS[:2], VECTORS[3:]),
        tasks.Example("rating", "", "4", None, None, 4.0),
        tasks.Example("summary", "table " * 200, "kettle " * 50, VECTORS[[0, 1, 2, 3, 0]]),
    ]
    rows = layout.encode(examples)
    assert all(len(r.source) + len(r.target) + SPEC.rows <= 64 for r in rows)
    batch = batch_of(rows, SPEC)
    slots = batch["known"].shape[1] and SPEC.persona + SPEC.user + SPEC.recent + 1
    for i, row in enumerate(rows):
        spoken = np.flatnonzero(batch["labels"][i] != IGNORED)
        np.testing.assert_array_equal(batch["labels"][i, spoken], row.target)
        assert spoken[0] == batch["last"][i]
        at = batch["order"][i, batch["last"][i]]
        assert batch["ids"][i, at - slots] == layout.sep
        # A row that predicts a token stands right before that token.
        nexts = batch["order"][i, spoken[:-1] + 1] - slots
        np.testing.assert_array_equal(batch["ids"][i, nexts], row.target[:-1])
    assert batch["last"].tolist() == [5 + len(rows[0].source) - 1, 1, 4 + len(rows[2].source) - 1]
    assert np.isnan(batch["rating"]).tolist() == [True, False, True]
    gone = batch_of(rows, SPEC, np.ones(3, np.bool_))
    assert gone["source"].sum() == gone["known"].sum() == 0
    with pytest.raises(ModelError, match="task"):
        layout.source("poem", "")


@given(st.lists(st.integers(1, 90), max_size=80), st.integers(60, 400), st.integers(0, 3))
def test_groups_hold_everything_once_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    sizes = np.array(lengths, np.int64)
    for rng in (None, np.random.default_rng(seed)):
        found = groups(sizes, budget, rng)
        assert sorted(int(i) for g in found for i in g) == list(range(len(sizes)))
        assert all(len(g) == 1 or len(g) * sizes[g].max() <= budget for g in found)


def test_an_epoch_follows_from_its_generator() -> None:
    layout = Layout(tokens_of(TOKENIZER), SPEC, 64)
    epoch = epochs(layout.encode(toys.examples(40)), SPEC, 256, forget=0.3)
    one, two = (list(epoch(np.random.default_rng(3))) for _ in range(2))
    assert sum(len(b["ids"]) for b in one) == 40
    for a, b in zip(one, two, strict=True):
        assert all(np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f") for n in a)
    other = next(iter(epoch(np.random.default_rng(4))))
    assert not np.array_equal(other["ids"], one[0]["ids"])


def test_unknown_vectors_are_left_out_and_wrong_ones_refused() -> None:
    user = np.concatenate([np.zeros((1, 4), np.float32), VECTORS])
    out, mask = padded([user, None, VECTORS[:1]], 4, 3, latest=True)
    assert out.shape == (3, 3, 4)
    np.testing.assert_array_equal(out[0], VECTORS[1:])
    assert mask.tolist() == [[True] * 3, [False] * 3, [False, False, True]]
    assert padded([VECTORS], 4, 0, latest=True)[0].shape == (1, 0, 4)
    with pytest.raises(ShapeMismatch, match="vectors"):
        padded([VECTORS[:, :3]], 4, 3, latest=True)
