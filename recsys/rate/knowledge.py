"""What is known about a pair before it is rated: features from ratings of others and of the shopper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.dataset import Dataset, ItemTable
from recsys.rate.biases import Biases, damped_means
from recsys.rate.factors import Factors
from recsys.rate.neighbours import by_time, by_vectors
from recsys.rate.opinions import Opinions
from recsys.rate.ratings import Asked, Floats, Groups, Ints, Ratings, Texts

DAY = 86400.0
USER_DAYS, ITEM_DAYS = (1 / 24, 1.0, 30.0, 365.0), (30.0, 365.0)
DIM, SHOWN_DIM = 64, 8
EARLIEST, LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
# Estimates of the residual or of the rating itself: what a linear model can weigh.
LINEAR = (
    "bias", "factors", "knn", "text", "like_items", "user_opinion", "item_opinion",
    *(f"user_{d:.4g}d" for d in USER_DAYS), *(f"item_{d:.4g}d" for d in ITEM_DAYS),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """Everything about items that was learned from ``ratings``, and how to read a shopper's own ratings by it.

    ``residuals`` (n,) are what ratings got beyond both biases; ``alike`` (n_items, factors) and ``vectors``
    (n_items, DIM) are unit rows of item factors and of texts; ``words`` are what reviews say of items (`_told`).
    """

    ratings: Ratings
    biases: Biases
    factors: Factors
    residuals: Floats
    alike: NDArray[np.float32]
    vectors: NDArray[np.float32]
    opinions: Opinions | None
    words: tuple[Floats, Floats] | None

    @classmethod
    def fit(
        cls, ratings: Ratings, items: ItemTable, factors: Factors.Config, damping: tuple[float, float], seed: int
    ) -> Self:
        """Learn from ``ratings`` alone; ``damping`` is that of `Biases`."""
        biases = Biases.fit(ratings, *damping)
        residuals = _residuals(biases, ratings)
        fitted = Factors.fit(ratings, factors, seed)
        opinions = Opinions.fit(ratings.texts, ratings.values - biases.mean) if any(ratings.texts) else None
        return cls(
            ratings, biases, fitted, residuals, _unit(fitted.items[:, 1:]), _unit(_read(items, ratings, seed)),
            opinions, None if opinions is None else _told(opinions, ratings.texts, ratings.items, ratings.n_items),
        )  # fmt: skip

    def features(self, shown: Ratings, asked: Asked) -> dict[str, Floats]:
        """Return (m,) columns by name; NaN where nothing is known. ``shown`` are the shoppers' own ratings."""
        residuals = _residuals(self.biases, shown)
        by_user, by_item = Groups.of(shown.users, shown.n_users), Groups.of(self.ratings.items, self.ratings.n_items)
        folded, biases = self.factors.users(shown), self.biases.users(shown)
        bias = self.biases.mean + biases[asked.users] + self.biases.items[asked.items]
        out = {
            "bias": bias, "user_bias": biases[asked.users], "item_bias": self.biases.items[asked.items],
            "factors": self.factors.of_rows(folded, asked), "user_factor_bias": folded[asked.users, 0],
            "item_factor_bias": self.factors.items[asked.items, 0],
            "user_norm": np.linalg.norm(folded[:, 1:], axis=1)[asked.users],
            "item_norm": np.linalg.norm(self.factors.items[:, 1:], axis=1)[asked.items],
        }  # fmt: skip
        top = self.ratings.scale[1]
        usual = (self.biases.mean, top, float(np.mean(self.ratings.values == top)))
        out |= _habits("user", shown.users, shown.values, shown.n_users, asked.users, *usual)
        out |= _habits("item", self.ratings.items, self.ratings.values, shown.n_items, asked.items, *usual)
        near = (by_user, shown.items, residuals, asked.users, asked.items)
        out |= _weighed("knn", by_vectors(*near, self.alike, 4.0, 0.1))
        out |= _weighed("text", by_vectors(*near, self.vectors, 4.0, 0.3))
        for days in USER_DAYS:
            name = f"user_{days:.4g}d"
            out |= _weighed(name, by_time(by_user, shown.times, residuals, asked.users, asked.times, days, 1.0))
        for days in ITEM_DAYS:
            name, at = f"item_{days:.4g}d", (asked.items, asked.times)
            out |= _weighed(name, by_time(by_item, self.ratings.times, self.residuals, *at, days, 3.0))
        out |= _ages(shown, self.ratings, asked)
        out["like_items"] = _like_items(self.vectors, self.biases.items)[asked.items]
        out |= {f"vector_{f}": self.vectors[asked.items, f].astype(np.float64) for f in range(SHOWN_DIM)}
        return out | self._words(shown, asked)

    def _words(self, shown: Ratings, asked: Asked) -> dict[str, Floats]:
        if self.opinions is None or self.words is None:
            return {}
        said = _told(self.opinions, shown.texts, shown.users, shown.n_users)
        return {
            "user_opinion": said[0][asked.users], "user_length": said[1][asked.users],
            "item_opinion": self.words[0][asked.items], "item_length": self.words[1][asked.items],
        }  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write what is known of items: no shopper, no review, and ratings by item, so that no row tells whose it is.

        Of reviews the words stay that at least `recsys.rate.opinions.RARE` of them have.
        """
        by_item, opinions = Groups.of(self.ratings.items, self.ratings.n_items).order, self.opinions
        arrays: dict[str, NDArray[Any]] = {
            "rated": self.ratings.items[by_item], "values": self.ratings.values[by_item],
            "times": self.ratings.times[by_item], "residuals": self.residuals[by_item],
            "biases": self.biases.items, "factors": self.factors.items, "alike": self.alike, "vectors": self.vectors,
        }  # fmt: skip
        if opinions is not None and self.words is not None:
            arrays |= {"idf": opinions.idf, "weights": opinions.weights, "offsets": opinions.offsets}
            arrays |= {"opinions": self.words[0], "lengths": self.words[1]}
        for name, array in arrays.items():
            write_array(folder / f"{name}.npy", array)
        facts = {"mean": self.biases.mean, "damping": self.biases.damping, "factors": self.factors.config.model_dump()}
        write_json(folder / "knowledge.json", {**facts, "words": None if opinions is None else [*opinions.columns]})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises `ArtifactMissing` or `ArtifactDamaged`."""
        saved = read_json(folder / "knowledge.json")

        def read(name: str) -> NDArray[Any]:
            return np.asarray(read_array(folder / f"{name}.npy"))  # a plain array, mapped or not: loops are compiled

        rated, biases, mean = read("rated"), read("biases"), saved["mean"]
        nobody, silence = np.zeros(len(rated), np.int64), np.full(len(rated), "", dtype=object)
        ratings = Ratings(nobody, rated, read("values"), read("times"), silence, 0, len(biases))
        opinions = words = None
        if saved["words"] is not None:
            columns = {word: c for c, word in enumerate(saved["words"])}
            opinions = Opinions(columns, read("idf"), read("weights"), read("offsets"))
            words = (read("opinions"), read("lengths"))
        factors = Factors(Factors.Config.model_validate(saved["factors"]), mean, read("factors"))
        known = (read("residuals"), read("alike"), read("vectors"))
        return cls(ratings, Biases(mean, biases, saved["damping"]), factors, *known, opinions, words)


def _told(opinions: Opinions, texts: Texts, owner: Ints, n: int) -> tuple[Floats, Floats]:
    """Return (n,) how good the texts of each owner sound, and how long they are, damped means beyond the usual ones."""
    told = np.array([bool(t) for t in texts], dtype=np.bool_)
    sounds = opinions.read(texts[told])
    length = np.log1p([len(t) for t in texts[told]]) - 6.0  # about the log of a usual length
    return damped_means(sounds, owner[told], n, 4.0), damped_means(length, owner[told], n, 2.0)


def _residuals(biases: Biases, ratings: Ratings) -> Floats:
    return ratings.values - biases.predict(ratings, ratings.asked)


def _weighed(name: str, found: Floats) -> dict[str, Floats]:
    return {name: found[:, 0], f"{name}_weight": found[:, 1]}


def _habits(
    name: str, owner: Ints, values: Floats, n: int, at: Ints, mean: float, top: float, share: float
) -> dict[str, Floats]:  # fmt: skip
    """Return count, damped mean and spread, and damped share of ratings at ``top``, beyond the usual ones."""
    off = values - mean
    first, second = damped_means(off, owner, n, 3.0), damped_means(off**2 - 1.0, owner, n, 3.0) + 1.0
    return {
        f"{name}_count": np.log1p(np.bincount(owner, minlength=n))[at],
        f"{name}_mean": first[at],
        f"{name}_spread": np.sqrt(np.maximum(second - first**2, 0.0))[at],
        f"{name}_top": damped_means((values == top) - share, owner, n, 3.0)[at],
    }


def _ages(shown: Ratings, ratings: Ratings, asked: Asked) -> dict[str, Floats]:
    """Return days since the shopper's first and last rating and the item's first, NaN without any; and the day."""
    first, last = np.full(shown.n_users, LATEST), np.full(shown.n_users, EARLIEST)
    np.minimum.at(first, shown.users, shown.times)
    np.maximum.at(last, shown.users, shown.times)
    born = np.full(ratings.n_items, LATEST)
    np.minimum.at(born, ratings.items, ratings.times)

    def since(moment: Ints) -> Floats:
        known = (moment != LATEST) & (moment != EARLIEST)
        return np.where(known, (asked.times - np.where(known, moment, 0)) / DAY, np.nan)

    return {
        "since_first": since(first[asked.users]), "since_last": since(last[asked.users]),
        "item_age": since(born[asked.items]), "day": asked.times / DAY,
    }  # fmt: skip


def _like_items(vectors: NDArray[np.float32], biases: Floats) -> Floats:
    """Return (n_items,) the damped mean bias of items with like texts: what is known of an item nobody rated."""
    out = np.zeros(len(vectors))
    for at in range(0, len(vectors), 1024):
        part = slice(at, at + 1024)
        weight = np.maximum(vectors[part] @ vectors.T, 0.0) ** 4
        weight[np.arange(len(weight)), np.arange(at, at + len(weight))] = 0.0
        out[part] = (weight @ biases) / (weight.sum(axis=1) + 0.5)
    return out


def _read(items: ItemTable, ratings: Ratings, seed: int) -> NDArray[np.float32]:
    """Return (n_items, DIM) vectors of catalogue text and what reviews of ``ratings`` say."""
    from recsys.dataset import EventLog
    from recsys.embed.lsa import LSA
    from recsys.protocols import FitOptions
    from recsys.types import Events

    said: list[list[str]] = [[] for _ in range(len(items))]
    for item, text in zip(ratings.items.tolist(), ratings.texts.tolist(), strict=True):
        if text:
            said[item].append(text)
    table = replace(items, texts=[" ".join([t, *s]) for t, s in zip(items.texts, said, strict=True)])
    empty = EventLog.of([], Events.of([]))
    embedder = LSA(LSA.Config(dim=DIM)).fit(Dataset(table, empty), FitOptions(seed=seed))
    found = embedder.embed([table.text(row) for row in range(len(table))], "item")
    # What all items have in common would make everything alike.
    centred: NDArray[np.float32] = found - found.mean(axis=0)
    return centred


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(length, 1e-6), dtype=np.float32)
