"""The text index on published collections with judged queries: floors well below what was measured."""

import re
from pathlib import Path

import numpy as np
import pytest

from recsys.data.search.judgements import INFO_KEY, Judgements
from recsys.data.search.reader import SearchData
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.search.generator import TextSearch
from recsys.types import Request, Slates

pytestmark = pytest.mark.realdata
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def ndcg(judged: Judgements, lists: Slates) -> np.ndarray:
    """(q,) NDCG@10 over the whole collection, gain 2 ** grade - 1; what is not judged is not relevant."""
    out, discount, targets = [], 1 / np.log2(np.arange(2, 12)), judged.targets
    for i in range(len(judged)):
        mine = targets.owner == i
        gains = dict(zip(targets.rows[mine].tolist(), (2.0 ** targets.gains[mine] - 1).tolist(), strict=True))
        got = np.array([gains.get(row, 0.0) for row in lists[i].items[:10].tolist()])
        ideal = np.sort(list(gains.values()))[::-1][:10]
        out.append(float(got @ discount[: len(got)]) / float(ideal @ discount[: len(ideal)]))
    return np.array(out)


def misspelt(query: str, rng: np.random.Generator) -> str | None:
    """One random edit in a random word of four letters or more; None where there is no such word."""
    words = [m for m in re.finditer(r"[a-z]+", query.lower()) if len(m[0]) >= 4]
    if not words:
        return None
    found = words[int(rng.integers(len(words)))]
    word, letter = found[0], LETTERS[int(rng.integers(26))]
    at, kind = int(rng.integers(len(word) - 1)), int(rng.integers(4))
    edited = (
        word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )[kind]  # fmt: skip
    return query.lower()[: found.start()] + edited + query.lower()[found.end() :]


@pytest.fixture(scope="module", params=["msrd_movies", "icecat_chorus"])
def world(request: pytest.FixtureRequest) -> tuple[str, Dataset, TextSearch]:
    folder: Path = request.getfixturevalue("data_folder") / "search" / request.param
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    data = SearchData().read(str(folder))[0]
    return request.param, data, TextSearch().fit(data, FitOptions())


def test_ranking_and_one_typo(world):
    name, data, search = world
    judged = data.info[INFO_KEY]
    able = np.flatnonzero(judged.answerable)
    judged = judged.take(np.random.default_rng(1).permutation(able)[:300])
    rng = np.random.default_rng(2)
    typed = [misspelt(q, rng) for q in judged.queries]
    clean = ndcg(judged, search.generate([Request(text=q) for q in judged.queries], 10))
    floor, loss = {"msrd_movies": (0.78, 0.10), "icecat_chorus": (0.72, 0.15)}[name]
    assert clean.mean() >= floor
    kept = np.array([i for i, t in enumerate(typed) if t is not None])
    wrong = ndcg(judged.take(kept), search.generate([Request(text=typed[i]) for i in kept], 10))
    assert wrong.mean() >= (1 - loss) * clean[kept].mean()


def test_matched_words_are_in_the_product(world):
    _, data, search = world
    judged = data.info[INFO_KEY].queries[:200]
    for query, one in zip(judged, search.generate([Request(text=q) for q in judged], 3), strict=True):
        for row in one.items.tolist():
            words = search.matched_words(query, row)
            assert words
            attributes = data.items.attributes[row]
            true = " ".join(n for n, value in attributes.items() if value is True)
            everything = f"{data.items.text(row)} {true}"
            assert all(said.split(" ")[0] in everything for _, _, said in words)
