from __future__ import annotations

import numpy as np
import pytest

from recsys.calibrating import calibrated
from recsys.dataset import ItemTable
from recsys.rerank.base import Judgement, Reranker
from recsys.types import Item, Request, Slates

ITEMS = ItemTable.of(Item(item_id=str(i), title=f"thing {i}") for i in range(40))
B, N = 400, 20


class Likes(Reranker):
    """Judges by a table of (request, row): what ``history`` says is its own score."""

    def judge(self, requests, slates):
        wanted = np.array([r.now for r in requests])[slates.request_index]
        return Judgement((slates.items == wanted).astype(np.float32))


class Noise(Reranker):
    """Judges by a hash that has nothing to do with what is chosen."""

    def judge(self, requests, slates):
        owner = np.array([len(r.history) + r.now for r in requests], dtype=np.int64)[slates.request_index]
        return Judgement(((slates.items * 7919 + owner * 104729) % 1009).astype(np.float32))


def lists(share_known: float):
    """Targets at random places; the requests of a share of them know which it is."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(40, N, replace=False) for _ in range(B)])
    # Nearer the top more often: an order that is worth something.
    place = np.minimum(rng.geometric(0.25, B) - 1, N - 1)
    target = rows[np.arange(B), place]
    known = rng.random(B) < share_known
    requests = [Request(now=int(t) if k else 1000 + i) for i, (t, k) in enumerate(zip(target, known, strict=True))]
    slates = Slates.of([row.tolist() for row in rows])
    return requests, slates, (slates.items == np.repeat(target, N)).astype(np.float32)


def test_who_knows_may_move_as_far_as_it_likes():
    reranker, said = calibrated(Likes(Likes.Config(), ITEMS), *lists(0.5))
    assert said.accepted
    assert said.max_move is None
    assert said.p < 0.01
    assert reranker.config.max_move is None
    assert said.ndcg["any"] > said.ndcg["1"] > said.ndcg["0"]


def test_noise_moves_nothing():
    requests, slates, labels = lists(0.5)
    before = Noise(Noise.Config(), ITEMS)
    reranker, said = calibrated(before, requests, slates, labels)
    assert not said.accepted
    assert reranker.config.max_move == 0
    assert before.config.max_move is None
    assert np.array_equal(reranker.rank(requests, slates, N).items, slates.items)
    assert str(said).startswith("not accepted")


def test_the_figures_are_those_of_the_lists():
    requests, slates, labels = lists(1.0)
    _, said = calibrated(Likes(Likes.Config(), ITEMS), requests, slates, labels, moves=[None])
    assert said.ndcg["any"] == pytest.approx(1.0)
    places = np.arange(N)[None, :].repeat(B, axis=0)[labels.reshape(B, N) > 0]
    assert said.ndcg["0"] == pytest.approx(np.where(places < 10, 1 / np.log2(places + 2), 0).mean())


def test_nobody_to_learn_from_changes_nothing():
    reranker, said = calibrated(Likes(Likes.Config(), ITEMS), [], Slates.of([]), np.empty(0, np.float32))
    assert not said.accepted
    assert reranker.config.max_move == 0
