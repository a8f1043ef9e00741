import numpy as np
import pytest
from aspect_toys import GOOD_GRIP, said, with_reviews

from recsys.aspects import AspectTable
from recsys.protocols import Deps, FitOptions, Trainable
from recsys.testing.kits.saved import leaks, people_of
from recsys.testing.worlds import requests_of
from recsys.types import Events, Request, Review


def column(table: AspectTable, name: str) -> int:
    return table.lexicon.number(name)


def test_counts_are_of_reviewers(tools, table):
    praise, blame = table.counts(np.array([0, 3, 4, -1, 99], np.int32))
    grip = column(table, "grip")
    assert praise[:, grip].tolist() == [3, 0, 0, 0, 0]
    assert blame[:, grip].tolist() == [0, 3, 0, 0, 0]


def test_nobody_counts_for_more_by_writing_more(tools, table):
    loud = Review(user_id="critic-00@mail.example", item_id="tool-0", text=" ".join([GOOD_GRIP] * 20), rating=5.0)
    again = AspectTable().fit(with_reviews(tools, loud, loud), FitOptions())
    assert again.counts(np.array([0], np.int32))[0][0, column(again, "grip")] == 3


def test_sentiment_and_salience(table):
    grip, sound = column(table, "grip"), column(table, "sound")
    sentiment, salience = table.sentiment.toarray(), table.salience.toarray()
    assert sentiment[0, grip] == pytest.approx(3 / 4)
    assert sentiment[3, grip] == pytest.approx(-3 / 4)
    assert salience[0, grip] > 0 == salience[0, sound]


def test_cares_follow_history_and_own_reviews(tools, table):
    requests = requests_of(tools)
    cares = table.cares(requests)
    grip, sound = column(table, "grip"), column(table, "sound")
    assert cares[0, grip] > 0 == cares[0, sound]
    assert cares[1, sound] > 0 == cares[1, grip]
    own = said("tool-6", ["The sound is great."], 5.0)
    assert table.cares(requests, [own, []])[0, sound] > 0
    assert table.cares([], []).shape == (0, len(table.aspects))
    assert not table.cares([Request(history=Events.of([0], weights=[-1]))]).any()
    assert np.isfinite(table.cares([Request(), Request(history=Events.of([77]))])).all()


def test_saving_keeps_all_and_names_nobody(tools, table, tmp_path):
    assert isinstance(table, Trainable)
    table.save(tmp_path)
    loaded = AspectTable.load(tmp_path, Deps())
    assert loaded.aspects == table.aspects
    for name in ("salience", "sentiment"):
        assert (getattr(loaded, name) != getattr(table, name)).nnz == 0
    assert leaks(tmp_path, people_of(tools)) == []


def test_no_sentence_of_a_review_is_saved(tools, table, tmp_path):
    table.save(tmp_path)
    everything = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert not any(r.text.encode() in everything for r in tools.reviews)


def test_room_for_new_items(table):
    grown = table.grown(12)
    assert grown.n_items == 12
    assert grown.salience[8:].nnz == 0
    assert (grown.salience[:8] != table.salience).nnz == 0
    assert table.grown(3) is table
