"""What a personalised language model learns: examples of four tasks, made from a shop's own data.

Texts of the catalogue and of reviews are foreign: they are cleaned here, once, so that a prompt may be read as trusted.

Vectors that were made of the choices to be foreseen know the answers: a model would learn to trust them more than it
may when it serves. So ``vectors`` are to be of an older log than the examples, ``since`` its end; see `before`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.data.splits import chosen
from recsys.dataset import Dataset, EventLog
from recsys.errors import ConfigError, DataError
from recsys.types import NO_EVENTS, Review
from recsys_fine_tuned.tokenizer import plain

Task = Literal["next-item", "rating", "explanation", "summary"]
Vectors = NDArray[np.float32]
# Characters of a review that its summary is made from.
REVIEW_CHARS = 600


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One thing to learn.

    Attributes:
        task: what is asked. source: the input's text, trusted (see `plain`). target: the answer's text.
        user: (u, d) float32 vectors of the shopper's history, the latest last; None = nobody known.
        items: (i, d) float32 vectors of the items in question; None = none.
        rating: what the rating head learns; None = nothing.
    """

    task: Task
    source: str
    target: str
    user: Vectors | None = None
    items: Vectors | None = None
    rating: float | None = None


def before(data: Dataset, share: float) -> tuple[Dataset, int]:
    """Return the data as it stood when ``share`` of all choices had been made, and the second from which others are.

    >>> train, cut = before(data, 0.9)                                # doctest: +SKIP
    >>> older, since = before(train, 0.6)                             # doctest: +SKIP
    >>> vectors = collaborative_vectors(older.log, len(data.items))   # doctest: +SKIP
    >>> learn = next_items(train, vectors, since=since)               # doctest: +SKIP
    >>> judge = next_items(data, vectors, since=cut)                  # doctest: +SKIP

    Raises:
        ConfigError: ``share`` is not within 0 and 1. DataError: nothing is before that second.
    """
    if not 0 < share < 1:
        raise ConfigError(f"share must be within 0 and 1, got {share}")
    times = np.sort(data.log.events.times[chosen(data.log.events, data.log.owner)])
    moment = int(times[int(share * len(times))]) if len(times) else 0
    older = data.log.events.times < moment
    if not older.any():
        raise DataError("the log holds too few moments to be divided by time")
    return data.with_log(data.log.as_of(older)), moment


def title_of(title: str) -> str:
    """Return a title as a model reads it: cleaned, at most 160 characters."""
    return plain(title, 160)


def history_text(titles: Sequence[str], most: int = 4) -> str:
    """Return the latest ``most`` titles of a history (oldest first), the latest first."""
    return "; ".join(list(titles)[::-1][:most])


def next_items(
    data: Dataset,
    vectors: Vectors,
    *,
    per_user: int | None = None,
    seed: int = 0,
    since: int | None = None,
    titles: int = 4,
    history: int = 20,
    repeats: bool = False,
) -> list[Example]:
    """Return examples "history -> title of the item chosen next": at most ``per_user`` a shopper, drawn at random.

    Targets are what evaluation asks for: explicit choices that speak for an item. A history ends with the choice
    before: the looks of the visit that led to the target would give it away. ``since``: only choices from that second
    on are targets, those that ``vectors`` (n_items, d) must not know. Without ``repeats`` an item that the shopper
    chose before is no target.
    """
    rng = np.random.default_rng(seed)
    names = [title_of(t) for t in data.items.titles]
    out: list[Example] = []
    for rows, ends, targets, times in _choices(data.log):
        usable = np.ones(len(targets), np.bool_)
        if not repeats:
            usable[:] = False
            usable[np.unique(targets, return_index=True)[1]] = True
        usable[:1] = False
        if since is not None:
            usable &= times >= since
        places = np.flatnonzero(usable)
        for at in np.sort(rng.permutation(places)[: len(places) if per_user is None else per_user]):
            before = recent_rows(rows[: ends[at - 1]], history)
            source = history_text([names[r] for r in before[-titles:]], titles)
            out.append(Example("next-item", source, names[targets[at]], vectors[before]))
    return out


def recent_rows(rows: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """Return the latest ``most`` of liked items, oldest first; of one item several times in a row the last counts."""
    new = np.ones(len(rows), np.bool_)
    new[:-1] = rows[1:] != rows[:-1]
    return rows[new][-most:]


def ratings(data: Dataset, vectors: Vectors, *, since: int | None = None, history: int = 20) -> list[Example]:
    """Return examples "history and item -> rating" of the reviews that have one; ``since`` as in `next_items`."""
    found = [r for r in data.reviews if r.rating is not None]
    names = [title_of(t) for t in data.items.titles]
    return [
        Example("rating", names[row], f"{review.rating:g}", before, vectors[row : row + 1], review.rating)
        for review, row, before in _reviewed(data, found, vectors, history, since)
    ]


def summaries(data: Dataset, vectors: Vectors, *, since: int | None = None, history: int = 20) -> list[Example]:
    """Return examples "review -> its summary" of the reviews that have one; ``since`` as in `next_items`."""
    found = [r for r in data.reviews if r.summary.strip() and r.text.strip()]
    return [
        Example("summary", plain(r.text, REVIEW_CHARS), plain(r.summary, 120), before, vectors[row : row + 1], r.rating)
        for r, row, before in _reviewed(data, found, vectors, history, since)
    ]


def explanations(
    data: Dataset, vectors: Vectors, aspects: Mapping[str, str], *, since: int | None = None, history: int = 20,
    max_words: int = 25,
) -> list[Example]:  # fmt: skip
    """Return examples "item, aspect -> sentence about it", as PETER+ learns them from reviews, delexicalised.

    ``aspects`` maps a word to the name of its aspect. A sentence of a review that holds exactly one aspect's word
    becomes a target in which the word reads [ASPECT] and names of item and brand read [ITEM] and [BRAND]. ``since`` as
    in `next_items`.
    """
    found = [r for r in data.reviews if r.text.strip()]
    words = sorted(aspects, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE) if words else None
    out: list[Example] = []
    for review, row, before in _reviewed(data, found, vectors, history, since):
        title, brand = title_of(data.items.titles[row]), plain(data.items.brands[row], 80)
        for sentence in re.split(r"(?<=[.!?])\s+", plain(review.text, 2000)):
            spoken = {m.lower() for m in pattern.findall(sentence)} if pattern else set()
            if len(spoken) != 1 or len(sentence.split()) > max_words:
                continue
            word = spoken.pop()
            target = delexicalise(sentence, {"[ITEM]": title, "[BRAND]": brand, "[ASPECT]": word})
            name = aspects.get(word) or next(a for w, a in aspects.items() if w.lower() == word)
            out.append(
                Example("explanation", f"[ASPECT] {name}", target, before, vectors[row : row + 1], review.rating)
            )
    return out


def delexicalise(text: str, slots: Mapping[str, str]) -> str:
    """Return ``text`` with each value replaced by its slot token, longest values first, case ignored, whole words."""
    given = {value.lower(): slot for slot, value in slots.items() if value.strip()}
    if not given:
        return text
    words = "|".join(re.escape(v) for v in sorted(given, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda m: given[m.group().lower()], text, flags=re.IGNORECASE)


def relexicalise(text: str, slots: Mapping[str, str]) -> str:
    """Return ``text`` with every slot token replaced by its value, in one pass: values are never read again."""
    if not slots:
        return text
    tokens = "|".join(re.escape(s) for s in sorted(slots, key=len, reverse=True))
    return re.sub(tokens, lambda m: slots[m.group()], text)


def _choices(
    log: EventLog,
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]]:
    """Yield for every shopper: rows of liked events; per choice how many of them end with it, its row, its time."""
    picks = chosen(log.events, log.owner)
    liked = log.events.weights > 0
    for user in range(log.n_users):
        part = slice(int(log.offsets[user]), int(log.offsets[user + 1]))
        rows, picked, kept = log.events.rows[part], picks[part], liked[part]
        yield rows[kept], np.cumsum(kept, dtype=np.int64)[picked], rows[picked], log.events.times[part][picked]


def _reviewed(
    data: Dataset, reviews: Sequence[Review], vectors: Vectors, history: int, since: int | None
) -> Iterator[tuple[Review, int, Vectors]]:
    """Yield review, row of its item, and vectors of what its shopper had chosen before it.

    A review without a time is as old as its shopper's first choice of the item; without that, nothing came before it.
    """
    log = data.log.liked()
    groups = {name: g for g, name in enumerate(log.users)}
    rows = data.items.vocabulary.rows([r.item_id for r in reviews])
    for review, row in zip(reviews, rows.tolist(), strict=True):
        if row < 0:
            continue
        group = groups.get(review.user_id)
        events = NO_EVENTS if group is None else log.history(group)
        when = review.time
        if when is None and (its := events.times[events.rows == row]).size:
            when = int(its[0])
        if since is not None and (when is None or when < since):
            continue
        earlier = events.rows[: 0 if when is None else int(np.searchsorted(events.times, when))]
        # The reviewed item itself must not tell that it was chosen.
        yield review, row, vectors[recent_rows(earlier[earlier != row], history)]
