"""What reviewers say of each item, as counts: the part of the aspects that a bundle holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys.artifacts import read_json, read_sparse, write_json, write_sparse
from recsys.aspects.lexicon import NEUTRAL, Lexicon, name_words
from recsys.aspects.screen import trusted
from recsys.aspects.terms import Limits
from recsys.dataset import Dataset, ItemTable
from recsys.errors import NotFittedError
from recsys.history import profile
from recsys.protocols import Deps, FitOptions
from recsys.types import ItemRows, Request, Review

PRIOR = 3.0  # pseudo-reviewers who speak of everything as often as the average one
Votes = dict[int, float]  # aspect -> sentiment of one reviewer


def votes(lexicon: Lexicon, texts: Iterable[str], name: Set[str] = frozenset(), *, screened: bool = False) -> Votes:
    """Return what one reviewer says of one item (``name``: the words of its name): each aspect counts once."""
    heard: dict[int, list[float]] = {}
    for text in texts:
        for m in lexicon.mentions(text, name, screened=screened):
            heard.setdefault(m.aspect, []).append(m.sentiment)
    return {a: sum(s) / len(s) for a, s in heard.items()}


class AspectTable:
    """Counts of praise and blame by item and aspect; no review, no quote and no author is kept.

    One reviewer has one vote on an aspect of an item, so that nobody counts for more by writing more. A shopper's
    own profile is folded in at call time, from their history and from their own reviews.
    """

    class Config(BaseModel):
        """``smoothing`` pseudo-reviewers without an opinion; ``min_reviews``, ``min_share``, ``most`` of `Limits`."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        smoothing: float = Field(2.0, gt=0)
        min_reviews: int = Field(5, ge=1)
        min_share: float = Field(0.004, ge=0, le=1)
        most: int = Field(100, ge=1)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.lexicon = Lexicon()
        self._praise: sparse.csr_array | None = None
        self._blame = self._neutral = self._reviewers = self._salience = sparse.csr_array((0, 0), dtype=np.float32)
        self._said, self._n = self._salience, np.empty(0, dtype=np.float32)

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Learn the lexicon from ``data.reviews`` and count what it finds in them."""
        c = self.config
        limits = Limits(min_reviews=c.min_reviews, min_share=c.min_share, most=c.most)
        self.lexicon = Lexicon.learn(data.reviews, data.items, limits)
        written: dict[tuple[int, str], list[str]] = {}
        for review in data.reviews:
            row = data.items.vocabulary.row(review.item_id)
            if row >= 0 and trusted(review.text):
                written.setdefault((row, review.user_id), []).append(review.text)
        rows: list[int] = []
        aspects: list[int] = []
        sides: list[int] = []
        names = {row: name_words(data.items, row) for row in {row for row, _ in written}}
        for (row, _), texts in written.items():
            for aspect, sentiment in votes(self.lexicon, texts, names[row], screened=True).items():
                rows.append(row)
                aspects.append(aspect)
                sides.append(0 if abs(sentiment) < NEUTRAL else 1 if sentiment > 0 else -1)
        shape = (len(data.items), len(self.lexicon.aspects))
        side = np.array(sides, dtype=np.int64)

        def counted(which: int) -> sparse.csr_array:
            at = np.flatnonzero(side == which)
            place = (np.array(rows, dtype=np.int64)[at], np.array(aspects, dtype=np.int64)[at])
            out = sparse.csr_array((np.ones(len(at), dtype=np.float32), place), shape=shape)
            out.sum_duplicates()
            return out

        reviewers = np.bincount([row for row, _ in written] or [0], minlength=len(data.items)).astype(np.float32)
        if not written:
            reviewers[:] = 0
        self._set(counted(1), counted(-1), counted(0), sparse.csr_array(reviewers[:, None]))
        return self

    def _set(
        self, praise: sparse.csr_array, blame: sparse.csr_array, neutral: sparse.csr_array, reviewers: sparse.csr_array
    ) -> None:
        self._praise, self._blame, self._neutral, self._reviewers = praise, blame, neutral, reviewers
        said = sparse.csr_array(praise + blame + neutral, dtype=np.float32)
        n = reviewers.toarray().ravel()
        self._said, self._n = said, n
        share = said.sum(axis=0) / max(1.0, float(n.sum()))
        # What everybody says of everything tells items apart no better than a stop word.
        rarity = np.log1p(1.0 / np.maximum(share, 1e-6)).astype(np.float32)
        weight = (1.0 / (n + self.config.smoothing)).astype(np.float32)
        self._salience = sparse.csr_array(
            sparse.diags_array(weight) @ said @ sparse.diags_array(rarity), dtype=np.float32
        )

    def fitted(self) -> sparse.csr_array:
        """Return ``(n_items, n_aspects)`` counts of praise. Raises `NotFittedError`."""
        if self._praise is None:
            raise NotFittedError("AspectTable is not fitted: call fit() or load() first")
        return self._praise

    @property
    def n_items(self) -> int:
        """How many items are counted."""
        return int(self.fitted().shape[0])

    @property
    def aspects(self) -> tuple[str, ...]:
        """Names, in column order."""
        return self.lexicon.aspects

    @property
    def salience(self) -> sparse.csr_array:
        """``(n_items, n_aspects)`` float32 >= 0: share of an item's reviewers who speak of it, times its rarity."""
        self.fitted()
        return self._salience

    @property
    def typical(self) -> NDArray[np.float32]:
        """``(n_aspects,)`` float32 > 0: the salience of each aspect for the average item that has reviews."""
        salience = self.salience
        reviewed = max(1, int((np.diff(salience.indptr) > 0).sum()))
        total: NDArray[np.float32] = np.asarray(salience.sum(axis=0), dtype=np.float32).ravel()
        mean = total / np.float32(reviewed)
        # What hardly anybody speaks of would be a passion of everybody who ever came near it.
        return mean + np.float32(0.5 * float(mean.mean() if len(mean) else 0) + 1e-6)

    @property
    def sentiment(self) -> sparse.csr_array:
        """``(n_items, n_aspects)`` float32 in (-1, 1): praise less blame, drawn to 0 where few say so."""
        praise, said = self.fitted(), self._praise + self._blame
        return sparse.csr_array(
            (praise - self._blame).multiply(_inverse(said, self.config.smoothing / 2)), dtype=np.float32
        )

    def counts(self, rows: ItemRows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return praise and blame of items, both ``(len(rows), n_aspects)``; zeros for rows that are not counted."""
        praise, known = self.fitted(), (rows >= 0) & (rows < self.n_items)
        out = [np.zeros((len(rows), praise.shape[1]), dtype=np.float32) for _ in range(2)]
        for filled, matrix in zip(out, (praise, self._blame), strict=True):
            filled[known] = matrix[rows[known]].toarray()
        return out[0], out[1]

    def cares(
        self,
        requests: Sequence[Request],
        reviews: Sequence[Sequence[Review]] = (),
        items: ItemTable | None = None,
        *,
        decay: float = 0.8,
        limit: int = 50,
        own_weight: float = 4.0,
    ) -> NDArray[np.float32]:
        """Return ``(b, n_aspects)``: what each shopper cares about, in units of salience.

        The decayed mean of the salience of liked items (disliked ones do not take away: one may return a thing for
        the very aspect that one cares about), plus ``own_weight`` times what the shopper's own ``reviews`` (one
        sequence a request) say more often than the reviewers of those ``items`` do. Nothing is read from the items that
        are to be scored.
        """
        history = profile(requests, self.n_items, decay, limit, normalise=True)
        history.data = np.maximum(history.data, 0)
        out = np.asarray((history @ self.salience).toarray(), dtype=np.float32).reshape(
            len(requests), len(self.aspects)
        )
        for i, own in enumerate(reviews):
            if own:
                out[i] += own_weight * self.typical * self._surplus(own, items)
        return out

    def _surplus(self, own: Sequence[Review], items: ItemTable | None) -> NDArray[np.float32]:
        """Return by how many standard deviations a shopper speaks more of each aspect than others do; never below 0.

        Who reviews a knife speaks of sharpness, as everybody does: that tells nothing of the shopper.
        """
        said = np.zeros(len(self.aspects), dtype=np.float32)
        expected = np.zeros_like(said)
        total, n = self._said, self._n
        rate = total.sum(axis=0) / max(1.0, float(n.sum()))
        for review in own:
            said[list(votes(self.lexicon, [review.text]))] += 1
            row = -1 if items is None else items.vocabulary.row(review.item_id)
            known = 0 <= row < self.n_items
            of_item = total[[row]].toarray().ravel() if known else np.float32(0)
            expected += (of_item + PRIOR * rate) / ((n[row] if known else 0.0) + PRIOR)
        return np.asarray(np.maximum((said - expected) / np.sqrt(expected + 0.5), 0), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the lexicon and the counts."""
        write_sparse(folder, "praise", self.fitted())
        for name, matrix in (("blame", self._blame), ("neutral", self._neutral), ("reviewers", self._reviewers)):
            write_sparse(folder, name, matrix)
        self.lexicon.save(folder)
        write_json(folder / "config.json", self.config.model_dump())

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote."""
        out = cls(cls.Config.model_validate(read_json(folder / "config.json")))
        out.lexicon = Lexicon.load(folder)
        parts = [read_sparse(folder, name) for name in ("praise", "blame", "neutral", "reviewers")]
        out._set(parts[0], parts[1], parts[2], parts[3])
        return out

    def grown(self, n_items: int) -> Self:
        """Return a table of ``n_items``; nobody has said anything of the new ones yet. This one stays as it is."""
        if n_items <= self.n_items:
            return self
        out = type(self)(self.config)
        out.lexicon = self.lexicon

        def wide(matrix: sparse.csr_array) -> sparse.csr_array:
            end = np.full(n_items - matrix.shape[0], matrix.indptr[-1], dtype=matrix.indptr.dtype)
            indptr = np.concatenate([matrix.indptr, end])
            return sparse.csr_array((matrix.data, matrix.indices, indptr), shape=(n_items, matrix.shape[1]))

        out._set(wide(self.fitted()), wide(self._blame), wide(self._neutral), wide(self._reviewers))
        return out


def _inverse(matrix: sparse.csr_array, plus: float) -> sparse.csr_array:
    out = sparse.csr_array(matrix, copy=True, dtype=np.float32)
    out.data = 1.0 / (out.data + np.float32(plus))
    return out
