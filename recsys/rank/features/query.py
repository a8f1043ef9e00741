"""How an item meets the words that were asked for: what generators say of it, its title, its numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates

OWN = (
    "query_words",
    "query_chars",
    "query_numbers",
    "title_chars",
    "title_ratio",
    "title_partial",
    "title_words_ratio",
)
TITLE_CHARS, QUERY_CHARS = 200, 200  # what is compared of each: a title of a megabyte costs no more than this
MIN_KNOWN = 0.2  # share of the catalogue that must state a number before it is a feature
MAX_NUMBERS = 12
# What fusion makes of every generator, and the label's place: these are no features of a query.
_FUSION = re.compile(r".*_(score|rank)|found|position")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def with_features(requests: Sequence[Request], slates: Slates, generators: Mapping[str, Any]) -> Slates:
    """Return the slates with the columns of every generator that has ``features(requests, slates)``.

    Such a generator says more of an item than one score: of which field a word matched, in what order. Where no
    request has a text there is nothing to say and nothing is added.
    """
    if not any(r.text is not None for r in requests):
        return slates
    columns = dict(slates.columns)
    for generator in generators.values():
        features = getattr(generator, "features", None)
        if features is not None:
            columns.update({n: v for n, v in features(requests, slates).items() if n not in columns})
    return Slates(slates.items, slates.scores, slates.offsets, columns, slates.notes)


class Queries:
    """Features of a request with a text; all are NaN for one without.

    ``columns`` are those that generators added to the slates (see `with_features`): each as it is, and those of
    ``varying`` as a share of the best of the request too, for what counts is to match better than the others.
    ``numbers`` are numeric attributes of the catalogue (votes, year, sales): the value, its place among the request's
    candidates, and whether the text names it. The title is compared with the text letter by letter (Levenshtein
    ratios of the rapidfuzz library): a typo hardly changes them.
    """

    def __init__(self, columns: Sequence[str], varying: Sequence[str], numbers: Sequence[str]) -> None:
        self.columns, self.varying, self.numbers = tuple(columns), tuple(varying), tuple(numbers)

    @classmethod
    def of(cls, requests: Sequence[Request], slates: Slates, facts: Facts) -> Self | None:
        """Return the family that fits these slates and this catalogue; None where no request has a text."""
        if not any(r.text is not None for r in requests):
            return None
        columns = [
            n for n, v in slates.columns.items() if not _FUSION.fullmatch(n) and np.issubdtype(v.dtype, np.floating)
        ]
        varying = [n for n in columns if _varies(slates.columns[n], slates)]
        return cls(columns, varying, numeric_attributes(facts))

    def state(self) -> dict[str, list[str]]:
        """Return what the constructor takes, as plain values."""
        return {"columns": list(self.columns), "varying": list(self.varying), "numbers": list(self.numbers)}

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        shares = [f"{name}_share" for name in self.varying]
        numbers = [f"{kind}:{name}" for name in self.numbers for kind in ("number", "place", "named")]
        return [*self.columns, *shares, *numbers, *OWN]

    def compute(self, requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
        """Return one (m,) array a name; NaN for requests without a text and for what is not known."""
        unknown = np.full(len(slates.items), np.nan, dtype=np.float32)
        given = {name: slates.columns.get(name, unknown) for name in self.columns}
        out: list[NDArray[Any]] = list(given.values())
        out += [_share(given[name], slates) for name in self.varying]
        for name in self.numbers:
            values = numbers_of(facts, name)[slates.items]
            out += [values, _place(values, slates), _named(values, requests, slates)]
        out += _titles(requests, slates, facts)
        silent = np.array([r.text is None for r in requests], dtype=np.bool_)[slates.request_index]
        return [np.where(silent, np.nan, values) for values in out] if silent.any() else out


def numeric_attributes(facts: Facts) -> list[str]:
    """Return the attributes that at least `MIN_KNOWN` of the items state as a number, the most frequent first."""
    counts: dict[str, int] = {}
    for attributes in facts.items.attributes:
        for name, value in attributes.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                counts[name] = counts.get(name, 0) + 1
    enough = [name for name, n in counts.items() if n >= MIN_KNOWN * len(facts.items)]
    return sorted(enough, key=lambda name: (-counts[name], name))[:MAX_NUMBERS]


def numbers_of(facts: Facts, name: str) -> NDArray[np.float32]:
    """Return (n_items,) float32 values of a numeric attribute, NaN where an item does not state it."""
    found = facts.numbers.get(name)
    if found is None:
        stated = [attributes.get(name) for attributes in facts.items.attributes]
        values = [v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in stated]
        with np.errstate(over="ignore"):
            found = facts.numbers[name] = np.array(values, dtype=np.float64).astype(np.float32)
    return found


def _varies(values: NDArray[Any], slates: Slates) -> bool:
    inside = slates.request_index[1:] == slates.request_index[:-1]
    return bool((inside & (np.nan_to_num(values[1:]) != np.nan_to_num(values[:-1]))).any())


def _share(values: NDArray[Any], slates: Slates) -> NDArray[np.float32]:
    clean = np.nan_to_num(values, nan=0.0)
    best = np.ones(len(slates), dtype=np.float32)
    filled = slates.lengths > 0
    if filled.any():
        best[filled] = np.maximum.reduceat(clean, slates.offsets[:-1][filled])
    best = np.where(best > 0, best, np.float32(1))[slates.request_index]
    return np.where(np.isnan(values), np.nan, clean / best).astype(np.float32)


def _place(values: NDArray[Any], slates: Slates) -> NDArray[np.float32]:
    """Return the log of the place from 1 among the request's candidates, largest first; equal values share theirs."""
    owner = slates.request_index
    clean = np.where(np.isnan(values), -np.inf, values)
    order = np.lexsort((-clean, owner))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (clean[order][1:] != clean[order][:-1]) | (owner[order][1:] != owner[order][:-1])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    out = np.empty(len(order), dtype=np.float32)
    out[order] = np.log(first - slates.offsets[:-1][owner[order]] + 1)
    return np.where(np.isnan(values), np.float32(np.nan), out)


def _named(values: NDArray[Any], requests: Sequence[Request], slates: Slates) -> NDArray[np.float32]:
    out = np.zeros(len(values), dtype=np.float32)
    for i, request in enumerate(requests):
        said = _NUMBER.findall((request.text or "")[:QUERY_CHARS])
        if said:
            part = slice(int(slates.offsets[i]), int(slates.offsets[i + 1]))
            out[part] = np.isin(values[part], np.array([float(x[:15]) for x in said], dtype=np.float32))
    return out


def _titles(requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[Any]]:
    from rapidfuzz import fuzz, process

    owner = slates.request_index
    rows, place = np.unique(slates.items, return_inverse=True)
    titles = [plain(facts.items.titles[r], TITLE_CHARS) for r in rows.tolist()]
    queries = [plain(r.text or "", QUERY_CHARS) for r in requests]
    left = [queries[i] for i in owner.tolist()]
    right = [titles[i] for i in place.tolist()]

    def compared(scorer: Any) -> NDArray[np.float32]:
        if not left:
            return np.empty(0, dtype=np.float32)
        found: NDArray[np.float32] = process.cpdist(left, right, scorer=scorer, dtype=np.float32)
        return found / np.float32(100)

    words = np.array([len(q.split()) for q in queries], dtype=np.float32)
    chars = np.array([len(q) for q in queries], dtype=np.float32)
    numbers = np.array([len(_NUMBER.findall(q)) for q in queries], dtype=np.float32)
    length = np.array([len(t) for t in titles] or [0], dtype=np.float32)
    return [
        words[owner], chars[owner], numbers[owner], length[place] if len(titles) else np.empty(0, np.float32),
        compared(fuzz.ratio), compared(fuzz.partial_ratio), compared(fuzz.token_sort_ratio),
    ]  # fmt: skip


def plain(text: str, limit: int) -> str:
    """Return a text for comparing: cut to ``limit``, compatibility- and case-folded, words of letters and digits."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text[:limit]).casefold()[:limit]))
