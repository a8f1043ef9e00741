"""The text index of a catalogue: postings of its fields, and which products a planned query finds in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_array, read_json, write_array, write_json
from recsys.dataset import ItemTable
from recsys.errors import ShapeMismatch
from recsys.search.analysis import Analyzer
from recsys.search.config import IndexConfig
from recsys.search.fields import limit_of, texts
from recsys.search.lexicon import Lexicon, Ragged
from recsys.search.segment import Segment, Weights, build
from recsys.search.spelling import Speller
from recsys.types import ItemRows, Offsets, RowMask

# A patch of this many products, or this share of the catalogue, becomes part of the base.
PATCH_ROWS, PATCH_SHARE = 5_000, 0.1
NEW_WORDS = 50_000  # beside as many as the base has: of a product that changes all day most are said no more


class TextIndex:
    """Postings over the fields of a catalogue, valued as BM25F or summed BM25 (Robertson & Zaragoza 2009).

    New and changed products live in a patch beside the base, so that a change costs what the patch costs. As in
    Lucene, a changed product counts twice in document frequencies until the patch is merged, and average lengths
    stay those of the base. The index holds no reference to a product's text.
    """

    def __init__(self, config: IndexConfig, lexicon: Lexicon, base: Segment, weights: Weights, n_rows: int) -> None:
        self.config, self.lexicon, self.base, self.weights = config, lexicon, base, weights
        self.patch: Segment | None = None
        self.home = np.zeros(n_rows, np.int8)  # which segment a row counts in
        self.lengths = np.zeros((n_rows, len(config.fields)), np.uint16)
        self.lengths[base.rows] = base.lengths
        self.said = np.zeros(0, np.int64)  # (n_raws,) how often the catalogue says each raw word
        self.n_base_words = 0
        self._described: RowMask | None = None
        self._spelling = _Spelling()
        self._late = _Spelling()

    @property
    def analyzer(self) -> Analyzer:
        """What texts are cut with."""
        return self.lexicon.analyzer

    @property
    def n_rows(self) -> int:
        """How many rows are known."""
        return len(self.home)

    @classmethod
    def of(cls, items: ItemTable, config: IndexConfig | None = None) -> Self:
        """Index a catalogue."""
        config = config or IndexConfig()
        lexicon = Lexicon(Analyzer(config.language))
        rows = np.arange(len(items), dtype=np.int32)
        fields, said = _read(lexicon, config, items, rows)
        base, weights = build(rows, fields, len(lexicon.terms), None, _weights(config))
        out = cls(config, lexicon, base, weights, len(items))
        out.said, out.n_base_words = said, len(said)
        return out

    def put(self, items: ItemTable, changed: ItemRows) -> Self:
        """Return an index of ``items``, the catalogue as it is now, of which ``changed`` rows are new or changed.

        A patch that has grown large is merged by indexing everything anew, and so is a lexicon.
        """
        rows = np.unique(np.concatenate([changed, self.patch.rows if self.patch else changed[:0]])).astype(np.int32)
        rows = rows[(rows >= 0) & (rows < len(items))]
        if not len(rows):
            return self
        grown = len(self.lexicon.names) > 2 * self.n_base_words + NEW_WORDS
        if grown or len(rows) > max(PATCH_ROWS, PATCH_SHARE * len(self.base.rows)):
            return type(self).of(items, self.config)
        fields, said = _read(self.lexicon, self.config, items, rows)
        patch, _ = build(rows, fields, len(self.lexicon.terms), self.weights, self.weights)
        out = copy.copy(self)
        out._late, out._described = _Spelling(), None
        n = max(len(items), self.n_rows)
        out.patch, out.home = patch, np.zeros(n, np.int8)
        out.home[rows] = 1
        out.lengths = np.zeros((n, self.lengths.shape[1]), np.uint16)
        out.lengths[: self.n_rows] = self.lengths
        out.lengths[rows] = patch.lengths
        out.said = said.copy()
        out.said[: len(self.said)] = np.maximum(self.said, said[: len(self.said)])
        return out

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The base, and the patch where there is one."""
        return (self.base,) if self.patch is None else (self.base, self.patch)

    def frequency(self, term: int) -> int:
        """Return how many products hold a term."""
        return sum(hi - lo for lo, hi in (s.postings(term) for s in self.segments))

    def names_a_kind(self, term: int) -> bool:
        """Return whether most products that hold a term hold it in their categories."""
        lo, hi = self.base.postings(term)
        named = np.count_nonzero(self.base.counts[lo:hi, self.config.fields.index("categories")])
        return 2 * int(named) > hi - lo

    def idf(self, frequency: int) -> float:
        """Return the weight of a term that ``frequency`` products hold: lucene's, always above 0."""
        n = max(self.n_rows, frequency)
        return float(np.log1p((n - frequency + 0.5) / (frequency + 0.5)))

    def title(self, row: int) -> tuple[int, ...]:
        """Return the terms of a title in order."""
        segment = self.segments[int(self.home[row])]
        at = int(segment.place(np.array([row], np.int32))[0])
        return tuple(segment.titles[at].tolist()) if at >= 0 else ()

    @property
    def spellers(self) -> tuple[Speller, ...]:
        """The words of the base, and those that came with the patch; made when first asked for."""
        names, n = self.lexicon.names, self.n_base_words
        base = self._spelling.get(lambda: Speller.of(names[:n], self.said[:n].tolist()))
        if n == len(self.said):
            return (base,)
        return base, self._late.get(lambda: Speller.of(names[n : len(self.said)], self.said[n:].tolist()))

    def described(self) -> RowMask:
        """(n_rows,) which products have any word at all."""
        if self._described is None:
            self._described = np.asarray(self.lengths.any(axis=1))
        return self._described

    def save(self, folder: Path) -> None:
        """Write base and patch as arrays, words as JSON."""
        write_json(folder / "config.json", self.config.model_dump(include=set(IndexConfig.model_fields)))
        write_json(folder / "sizes.json", {"base_words": self.n_base_words})
        write_json(folder / "raws.json", self.lexicon.names[: len(self.said)])
        write_json(folder / "terms.json", list(self.lexicon.terms)[: max(s.n_terms for s in self.segments)])
        write_array(folder / "said.npy", self.said)
        write_array(folder / "home.npy", self.home)
        write_array(folder / "averages.npy", self.weights.averages)
        for name, segment in zip(("base", "patch"), self.segments):
            for part, array in _arrays(segment).items():
                write_array(folder / f"{name}-{part}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises `ShapeMismatch` where the parts do not fit together."""
        config = IndexConfig.model_validate(read_json(folder / "config.json"))
        raws, terms = read_json(folder / "raws.json"), read_json(folder / "terms.json")
        lexicon = Lexicon(Analyzer(config.language), raws, terms)
        averages, home = read_array(folder / "averages.npy"), read_array(folder / "home.npy")
        made = _weights(config)
        base = _segment(folder, "base")
        if averages.shape != made.fields.shape or base.counts.shape[1:] != averages.shape or base.n_terms > len(terms):
            raise ShapeMismatch(f"{folder}: {len(terms)} terms, {base.n_terms} in postings, fields {config.fields}")
        weights = Weights(made.fields, made.b, averages, made.k1, made.summed)
        out = cls(config, lexicon, base, weights, len(home))
        out.n_base_words = int(read_json(folder / "sizes.json")["base_words"])
        out.home, out.said = home, read_array(folder / "said.npy")
        if (folder / "patch-rows.npy").exists():
            out.patch = _segment(folder, "patch")
            out.lengths[out.patch.rows] = out.patch.lengths
        if len(out.said) != len(raws):
            raise ShapeMismatch(f"{folder}: {len(raws)} words, {len(out.said)} counts")
        return out


class _Spelling:
    """A speller that is made once, when first asked for."""

    def __init__(self) -> None:
        self._held: Speller | None = None
        self._lock = Lock()

    def get(self, make: Callable[[], Speller]) -> Speller:
        with self._lock:
            if self._held is None:
                self._held = make()
            return self._held


def _weights(config: IndexConfig) -> Weights:
    fields = [config.weight(f) for f in config.fields]
    b = [config.b_of.get(f, config.b) for f in config.fields]
    return Weights(
        np.array(fields, np.float32), np.array(b, np.float32), np.ones(len(b), np.float32),
        config.k1, config.scheme == "sum",
    )  # fmt: skip


def _read(
    lexicon: Lexicon, config: IndexConfig, items: ItemTable, rows: ItemRows
) -> tuple[list[tuple[Ragged, Ragged]], NDArray[np.int64]]:
    """Return the terms of every field of the rows, and how often each raw word is said."""
    out, listed = [], rows.tolist()
    said = np.zeros(len(lexicon.raws), np.int64)
    for field in config.fields:
        read = texts(items, listed, field, config.extra) if config.weight(field) else [""] * len(listed)
        raw = lexicon.encode(read, limit_of(field))
        counts = np.bincount(raw.codes, minlength=len(lexicon.raws))
        counts[: len(said)] += said
        said = counts
        out.append(lexicon.expand(raw))
    return out, said


_PARTS = ("rows", "ptr", "docs", "values", "counts", "pair_keys", "pair_ptr", "lengths")


def _arrays(segment: Segment) -> dict[str, NDArray[np.generic]]:
    plain = {name: getattr(segment, name) for name in _PARTS}
    return {**plain, "titles": segment.titles.codes, "title_offsets": segment.titles.offsets}


def _segment(folder: Path, name: str) -> Segment:
    parts = {part: read_array(folder / f"{name}-{part}.npy") for part in _PARTS}
    offsets: Offsets = read_array(folder / f"{name}-title_offsets.npy")
    titles = Ragged(read_array(folder / f"{name}-titles.npy"), offsets)
    sizes = len(parts["rows"]), len(parts["docs"]), len(parts["counts"])
    if (
        sizes[1] != len(parts["values"])
        or sizes[2] != parts["ptr"][-1]
        or parts["pair_ptr"][-1] != sizes[1]
        or len(offsets) != sizes[0] + 1
        or offsets[-1] != len(titles.codes)
        or len(parts["pair_ptr"]) != len(parts["pair_keys"]) + 1
    ):
        raise ShapeMismatch(f"{folder}: the parts of {name} do not fit together: {sizes}")
    return Segment(titles=titles, **parts)
