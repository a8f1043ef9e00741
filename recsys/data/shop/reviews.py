"""Reviews: an opening, what the shopper cares about, a closing, all from hand-written sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.causes import CAUSES, Causes
from recsys.data.shop.recorder import Opinions, Record
from recsys.data.shop.vocabulary import aspects, read
from recsys.types import Review

Mentions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Writer:
    """The sentences by mood ("good", "middling", "bad") and by cause."""

    opening: Mapping[str, Sequence[str]]
    closing: Mapping[str, Sequence[str]]
    summary: Mapping[str, Sequence[str]]
    cause: Mapping[str, Sequence[str]]


def write_reviews(
    rng: np.random.Generator, world: Causes, record: Record
) -> tuple[tuple[Review, ...], tuple[Mentions, ...]]:
    """Return the reviews of rated purchases, and what each says: (aspect, +1 or -1) pairs in the order of the text.

    What is mentioned follows the shopper's cares; whether it is praised follows the hidden quality, and a quarter of
    that is chance. An aspect whose praise fits the stars is mentioned more often.
    """
    raw = read("reviews")
    writer = _Writer(raw["opening"], raw["closing"], raw["summary"], raw["cause"])
    said = record.opinions
    praise, order, count = _mentions(rng, world, said)
    random = rng.random((len(said.users), 12))
    ids = world.catalogue.items.ids
    reviews, mentions = [], []
    for i, (user, row, stars) in enumerate(
        zip(said.users.tolist(), said.rows.tolist(), said.stars.tolist(), strict=True)
    ):
        pairs = [(int(a), int(praise[i, a])) for a in order[i, : count[i]]]
        text = _text(writer, random[i], world, row, stars, CAUSES[said.causes[i]], int(said.beside[i]), pairs)
        reviews.append(
            Review(
                user_id=record.log.users[user], item_id=ids[row], text=text,
                summary=_pick(writer.summary[_mood(stars)], random[i, 11]), rating=float(stars),
                time=int(said.times[i]), review_id=f"review-{i:05d}",
            )
        )  # fmt: skip
        mentions.append(tuple((aspects()[a].name, tone) for a, tone in pairs))
    return tuple(reviews), tuple(mentions)


def _mentions(
    rng: np.random.Generator, world: Causes, said: Opinions
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return praise (r, n_aspects) of +1 and -1, the aspects in order of mention (r, n_aspects), and how many (r,)."""
    latent, rows = world.latent, said.rows
    shape = (len(rows), latent.quality.shape[1])
    praise = np.where(latent.quality[rows] + rng.normal(0, 0.3, shape) > 0, 1, -1)
    tone = np.sign(said.stars - 3)[:, None]
    fits = np.where(praise * tone >= 0, 6.0, 1.0)
    weight = (world.shoppers.cares[said.users] + 0.04) * fits * latent.applies[rows]
    with np.errstate(divide="ignore"):
        race = rng.standard_exponential(shape) / weight
    count = np.minimum(rng.integers(1, 4, len(rows)), latent.applies[rows].sum(axis=1))
    return praise, np.argsort(race, axis=1), count


def _text(
    writer: _Writer,
    random: NDArray[np.float64],
    world: Causes,
    row: int,
    stars: int,
    cause: str,
    other: int,
    said: Sequence[tuple[int, int]],
) -> str:
    catalogue = world.catalogue
    mood = _mood(stars)
    parts = [_pick(writer.opening[mood], random[0])] if random[1] < 0.65 else []
    if random[2] < 0.4 and cause in writer.cause and (other >= 0 or cause != "complement"):
        parts.append(_pick(writer.cause[cause], random[3]))
    for place, (aspect, praise) in enumerate(said):
        words = aspects()[aspect]
        parts.append(_pick(words.good if praise > 0 else words.bad, random[4 + place]))
    if random[8] < 0.6:
        parts.append(_pick(writer.closing[mood], random[9]))
    noun = catalogue.types[catalogue.type[row]].noun
    beside = catalogue.types[catalogue.type[other]].noun if other >= 0 else ""
    return " ".join(p for p in parts if p).format(noun=noun, brand=catalogue.items.brands[row], other=beside)


def _mood(stars: int) -> str:
    return "good" if stars >= 4 else "middling" if stars == 3 else "bad"


def _pick(sentences: Sequence[str], u: float) -> str:
    return sentences[int(u * len(sentences))]
