"""Reviews: an opening, what the shopper cares about, a closing, all from hand-written sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.shop.causes import CAUSES, Causes
from recsys.data.shop.recorder import Record
from recsys.data.shop.vocabulary import aspects, read
from recsys.types import KIND_CODES, Review

REVIEWED = 0.7  # share of ratings that come with a text
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
    events = record.log.events
    chosen = np.flatnonzero(events.kinds == KIND_CODES["rating"])
    chosen = chosen[rng.random(len(chosen)) < REVIEWED]
    owner = record.log.owner[chosen]
    rows, stars = events.rows[chosen], events.values[chosen]
    praise, order, count = _mentions(rng, world, owner, rows, stars)
    reasons = record.reasons[chosen]
    other = np.where(reasons >= 0, events.rows[reasons], -1)
    ids = world.catalogue.items.ids
    random = rng.random((len(chosen), 12))
    reviews, mentions = [], []
    for i, event in enumerate(chosen.tolist()):
        row = int(rows[i])
        said = [int(a) for a in order[i, : count[i]]]
        text = _text(
            writer, random[i], world, row, int(stars[i]), CAUSES[record.causes[event]], int(other[i]),
            [(a, int(praise[i, a])) for a in said],
        )  # fmt: skip
        reviews.append(
            Review(
                user_id=record.log.users[int(owner[i])], item_id=ids[row], text=text,
                summary=_pick(writer.summary[_mood(int(stars[i]))], random[i, 11]), rating=float(stars[i]),
                time=int(events.times[event]), review_id=f"review-{i:05d}",
            )
        )  # fmt: skip
        mentions.append(tuple((aspects()[a].name, int(praise[i, a])) for a in said))
    return tuple(reviews), tuple(mentions)


def _mentions(
    rng: np.random.Generator,
    world: Causes,
    owner: NDArray[np.int64],
    rows: NDArray[np.int32],
    stars: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return praise (r, n_aspects) of +1 and -1, the aspects in order of mention (r, n_aspects), and how many (r,)."""
    latent = world.latent
    shape = (len(rows), latent.quality.shape[1])
    praise = np.where(latent.quality[rows] + rng.normal(0, 0.3, shape) > 0, 1, -1)
    tone = np.sign(stars - 3)[:, None]
    fits = np.where(praise * tone > 0, 4.0, np.where(tone == 0, 1.5, 1.0))
    weight = (world.shoppers.cares[owner] + 0.04) * fits * latent.applies[rows]
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
