import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.ids import MAX_ID_CHARS, Vocabulary, check_id

IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=20)


@given(IDS)
@settings(max_examples=50, deadline=None)
def test_there_and_back(ids):
    vocabulary = Vocabulary(ids)
    rows = vocabulary.rows(ids)
    assert rows.dtype == np.int32
    assert rows.tolist() == list(range(len(ids)))
    assert vocabulary.ids(rows) == ids == list(vocabulary)
    assert [vocabulary.id(row) for row in rows.tolist()] == ids
    assert len(vocabulary) == len(ids)


@given(IDS, IDS)
@settings(max_examples=50, deadline=None)
def test_rows_never_change(first, later):
    vocabulary = Vocabulary(first)
    before = [vocabulary.row(i) for i in first]
    for value in later:
        vocabulary.add(value)
    assert [vocabulary.row(i) for i in first] == before
    assert [vocabulary.add(i) for i in first] == before


def test_unknown_ids_are_minus_one():
    vocabulary = Vocabulary(["a"])
    assert vocabulary.row("b") == -1
    assert vocabulary.rows(["b", "a"]).tolist() == [-1, 0]
    assert "a" in vocabulary
    assert "b" not in vocabulary


def test_an_id_that_occurs_twice_is_refused():
    with pytest.raises(DataError, match="'a' occurs twice"):
        Vocabulary(["a", "b", "a"])


@pytest.mark.parametrize("row", [-1, 2])
def test_rows_beyond_the_vocabulary_are_refused(row):
    with pytest.raises(DataError, match=r"0\.\.1"):
        Vocabulary(["a", "b"]).ids(np.array([0, row], np.int32))
    with pytest.raises(DataError):
        Vocabulary(["a", "b"]).id(row)
    assert Vocabulary().ids(np.empty(0, np.int32)) == []


@pytest.mark.parametrize("value", ["", None, 7, b"a", "x" * (MAX_ID_CHARS + 1)])
def test_check_id_refuses(value):
    with pytest.raises(DataError, match="user_id must"):
        check_id(value, "user_id")


def test_check_id_passes():
    assert check_id("x" * MAX_ID_CHARS, "user_id") == "x" * MAX_ID_CHARS
