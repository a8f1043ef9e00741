from __future__ import annotations

import gzip

import numpy as np
import pytest

from recsys.data.given import INFO_KEY, Given
from recsys.data.llmrank import SIZE, LLMRank
from recsys.errors import DataError, ShapeMismatch

N = 60


@pytest.fixture
def folder(tmp_path):
    """Thirty shoppers of sixty games, two of them with lists; a broken line in each file."""
    games, beside = tmp_path / "Games", tmp_path / "Games-6k"
    games.mkdir()
    beside.mkdir()
    items = ["item_id:token\ttitle:token_seq"] + [f"{i}\tGame {i}: <b>part</b> {i}" for i in range(N)]
    (games / "Games.item.gz").write_bytes(gzip.compress("\n".join(items).encode()))
    rng = np.random.default_rng(0)
    lines = ["user_id:token\titem_id_list:token_seq\titem_id:token"]
    for user in range(30):
        *history, target = rng.permutation(N)[:7].tolist()
        lines.append(f"u{user}\t{' '.join(map(str, history))}\t{target}")
    lines.append("u99")
    (beside / "Games-6k.test.inter").write_text("\n".join(lines) + "\n")
    lists = [f"u{user}\t{' '.join(map(str, rng.permutation(N)[:40].tolist()))}" for user in (3, 11)]
    (games / "Games.random").write_text("\n".join([*lists, "nobody\t1 2 3", "broken"]) + "\n")
    return games


def test_histories_lists_and_targets(folder):
    data, report = LLMRank().read(str(folder))
    assert data.name == "llmrank:games"
    assert len(data.items) == N
    assert data.items.titles[0] == "Game 0: part 0"
    assert data.log.n_users == 30
    assert report.dropped == 2
    given = data.info[INFO_KEY]
    assert given.users == ("u3", "u11")
    assert given.rows.shape == (2, SIZE)
    for user, rows in zip(given.users, given.rows, strict=True):
        history = data.log.history(data.log.users.index(user))
        assert len(set(rows.tolist())) == SIZE
        assert history.rows[-1] in rows  # the target


def test_the_same_lists_every_time(folder):
    first, again = (LLMRank().read(str(folder))[0].info[INFO_KEY].rows for _ in range(2))
    assert np.array_equal(first, again)


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(DataError, match="one of the folders Games, ml-1m"):
        LLMRank().read(str(tmp_path))
    (folder / "Games.random").unlink()
    with pytest.raises(DataError, match=r"Games\.random"):
        LLMRank().read(str(folder))


def test_lists_are_checked():
    with pytest.raises(ShapeMismatch):
        Given(("a",), np.zeros((2, 3), dtype=np.int32))
    with pytest.raises(ShapeMismatch, match="two lists"):
        Given(("a", "a"), np.zeros((2, 3), dtype=np.int32))
