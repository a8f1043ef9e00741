"""Searching libraries beside ours: the task in files, settings by fold, and how lists are measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.peers import searched
from benchmarks.peers.handover import Answer
from benchmarks.peers.handover_search import Search
from recsys.data.search.judgements import INFO_KEY, Judgements
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.types import Item


def searchable(n: int = 60) -> Dataset:
    """A catalogue of numbered things, each asked for by its number."""
    items = [Item(item_id=f"i{k}", title=f"gadget number {100 + k} in shade {k % 7}") for k in range(n)]
    data = Dataset.of(items, [])
    judged = [(f"gadget {100 + k}", f"i{k}", 2.0) for k in range(0, n, 2)]
    data.info[INFO_KEY] = Judgements.of(judged, data.items.vocabulary)
    return data


def test_a_search_comes_through_its_files(tmp_path):
    search = searched.search_of(searchable(), tmp_path)
    search.save()
    found = Search.load(tmp_path)
    assert found.texts == search.texts
    assert tuple(found.queries) == search.queries
    assert np.array_equal(found.folds, search.folds)
    assert np.array_equal(found.judged_rows, search.judged_rows)
    assert found.candidates.shape == (30, 0)
    assert (found.n, found.folder, found.top_grade) == (search.n, tmp_path, 2.0)
    assert len(found.tries) == searched.TRIES


def test_bm25s_answers_every_query(tmp_path):
    about = {"set": "icecat", "side": "bm25s"}
    cost = {"fit_s": 1.0, "p50": 3.0, "p95": 9.0}
    (tmp_path / "recsys.json").write_text(json.dumps({"bm25": cost, "hybrid+ranker": {**cost, "fit_s": None}}))
    halves = np.full(30, 0.5, np.float32)
    np.savez(tmp_path / "recsys.npz", **{"bm25": halves + 0.5, "hybrid+ranker": halves})
    lines = searched.side_lines(searchable(), "bm25s", tmp_path, tmp_path, about)
    assert [line["parameters"]["settings"] for line in lines] == ["defaults", "best on validation"]
    figures = lines[0]["figures"]
    assert figures["metrics"]["ndcg@10"] == 1  # the number is in one text alone
    assert set(figures["versus"]) == {"bm25", "hybrid+ranker"}
    assert (figures["versus"]["bm25"]["p"], figures["versus"]["bm25"]["x_ndcg@10"]) == (1, 1)
    full = figures["versus"]["hybrid+ranker"]
    assert (full["difference"], full["x_ndcg@10"]) == (-0.5, 0.5)
    assert full["p"] < 0.001
    assert full["x_p50"] == pytest.approx(3 / figures["p50_ms"], rel=1e-3)
    with pytest.raises(DataError, match="bm25s"):
        searched.chosen(tmp_path / "elsewhere", searchable())


def test_a_setting_is_chosen_on_other_folds():
    folds = np.array([0, 0, 1, 1])
    lists = [np.full((4, 2), i, dtype=np.int32) for i in range(2)]
    notes = ({"p50_ms": 1.0, "p95_ms": 2.0}, {"p50_ms": 3.0, "p95_ms": 4.0})
    answers = [Answer("bm25", {"k1": i}, lists[i][:0], lists[i], 1 + i, 1.0, notes[i]) for i in range(2)]
    # The first is better on fold 0 and so answers fold 1, the second the other way round.
    scores = [np.array([1, 1, 0, 0], np.float32), np.array([0, 0, 1, 1], np.float32)]
    best = searched.best_by_fold(answers, scores, folds)
    assert best.test[:, 0].tolist() == [1, 1, 0, 0]
    assert (best.fit_s, best.notes["p50_ms"]) == (1.5, 2.0)
    assert best.values == {"chosen": [{"k1": 0}, {"k1": 1}]}
