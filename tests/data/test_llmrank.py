from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from recsys.data.given import INFO_KEY, Given
from recsys.data.llmrank import SIZE, LLMRank
from recsys.errors import DataError, ShapeMismatch
from recsys.testing.kits import ReaderTests

N = 60


def written(root: Path, broken: bool = False) -> Path:
    """Thirty shoppers of sixty games, two of them with lists; on request a broken line in each file."""
    games, beside = root / "Games", root / "Games-6k"
    games.mkdir(parents=True)
    beside.mkdir()
    items = ["item_id:token\ttitle:token_seq"] + [f"{i}\tGame {i}: <b>part</b> {i}" for i in range(N)]
    rng = np.random.default_rng(0)
    lines = ["user_id:token\titem_id_list:token_seq\titem_id:token"]
    for user in range(30):
        *history, target = rng.permutation(N)[:7].tolist()
        lines.append(f"u{user}\t{' '.join(map(str, history))}\t{target}")
    lists = [f"u{user}\t{' '.join(map(str, rng.permutation(N)[:40].tolist()))}" for user in (3, 11)]
    if broken:
        items.append("60")
        lines.append("u99")
        lists += ["nobody\t1 2 3", "broken"]
    (games / "Games.item.gz").write_bytes(gzip.compress("\n".join(items).encode()))
    (beside / "Games-6k.test.inter").write_text("\n".join(lines) + "\n")
    (games / "Games.random").write_text("\n".join(lists) + "\n")
    return games


@pytest.fixture
def folder(tmp_path) -> Path:
    return written(tmp_path, broken=True)


class TestLLMRank(ReaderTests):
    @pytest.fixture
    def component(self) -> type[LLMRank]:
        return LLMRank

    @pytest.fixture
    def place(self, tmp_path) -> str:
        return str(written(tmp_path / "clean"))

    @pytest.fixture
    def dirty(self, tmp_path) -> str:
        return str(written(tmp_path / "dirty", broken=True))


def test_histories_lists_and_targets(folder):
    data, report = LLMRank().read(str(folder))
    assert data.name == "llmrank:games"
    assert len(data.items) == N
    assert data.items.titles[0] == "Game 0: part 0"
    assert data.log.n_users == 30
    assert report.dropped == 3
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
