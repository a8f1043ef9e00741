import numpy as np

from recsys.embed.words import Terms, count, words


def test_words_are_folded() -> None:
    assert words("Crème-BRÛLÉE 0.5oz, ﬁne Straße") == ["crème", "brûlée", "0", "5oz", "fine", "strasse"]
    assert words(" \t…🙂 \ud83d") == []


def test_count_leaves_unknown_words_out() -> None:
    got = count(["red red pan", "", "blue"], {"pan": 0, "red": 1})
    assert got.toarray().tolist() == [[1, 2], [0, 0], [0, 0]]
    assert got.dtype == np.float32
    assert count([], {"pan": 0}).shape == (0, 1)


def test_terms_of_texts() -> None:
    terms = Terms.of(["red pan", "pan Pan lid", ""])
    assert terms.names == ("red", "pan", "lid")
    assert terms.counts.toarray().tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert terms.frequencies.tolist() == [1, 2, 1]
    assert terms.query(["lid lid jar"]).toarray().tolist() == [[0, 0, 2]]


def test_restored_is_what_was_taken_apart() -> None:
    terms = Terms.of(["red pan", "pan lid"])
    again = Terms.restored(terms.names, terms.counts)
    assert again.columns == terms.columns
    assert again.put([2], ["jar"], 3).names == ("red", "pan", "lid", "jar")


def test_put_changes_appends_and_leaves_gaps_empty() -> None:
    terms = Terms.of(["red pan", "pan lid"])
    grown = terms.put([4, 0], ["jar pan", "blue"], 5)
    assert grown.names == ("red", "pan", "lid", "jar", "blue")
    assert grown.counts.toarray().tolist() == [
        [0, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0],
    ]  # fmt: skip
    assert terms.names == ("red", "pan", "lid")
    assert terms.counts.toarray().tolist() == [[1, 1, 0], [0, 1, 1]]
