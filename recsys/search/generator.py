"""Products that answer a query, as a candidate generator."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_json, write_json
from recsys.dataset import Dataset, ItemTable
from recsys.errors import ConfigError, NotFittedError
from recsys.protocols import Delta, Deps, FitOptions
from recsys.search import features as text_features
from recsys.search.analysis import Analyzer
from recsys.search.config import IndexConfig
from recsys.search.facets import FacetIndex
from recsys.search.fold import Parents
from recsys.search.index import TextIndex
from recsys.search.match import Shown, answer, matches
from recsys.search.matches import Matches
from recsys.search.parse import MAX_QUERY, Parser
from recsys.search.plan import Plan, Searcher, look_up, plan
from recsys.search.query import Query
from recsys.search.sort import ORDERS, Order, keys
from recsys.search.synonyms import Synonyms
from recsys.search.words import Match, matched_words
from recsys.types import ItemRows, Request, RowMask, Slates, offsets_of

T = TypeVar("T")
KEPT = 1_024  # parsed queries: finding, scoring and features ask for the same one


class TextSearch:
    """Answers ``request.text`` from the text index; without a text it finds nothing and scores NaN.

    A candidate scores above 0. A given item that matches no word scores 0, and NaN if it has no text at all or the
    query has no word.
    """

    class Config(IndexConfig):
        """The settings of the index (`recsys.search.config.IndexConfig`); ``synonyms``: see `Synonyms.of`."""

        synonyms: tuple[str, ...] = ()

    SPACE: ClassVar[dict[str, list[Any]]] = {
        "k1": [0.3, 0.6, 1.2],
        "b": [0.3, 0.6, 0.75],
        "phrase": [0.0, 0.3, 0.6],
        "coverage": [0.3, 0.5, 0.7],
    }
    uses_history = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._index: TextIndex | None = None
        self._items: ItemTable | None = None
        self._kept = _Kept()
        self._synonyms = Synonyms.of(self.config.synonyms, Analyzer(self.config.language))
        self._facets = _Once[FacetIndex]()
        self._parents = _Once[Parents]()

    @classmethod
    def from_config(cls, config: Config, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    @classmethod
    def over(cls, index: TextIndex, items: ItemTable | None = None) -> Self:
        """Return a search over an index that is made already, without synonyms; ``items`` are what `items` says."""
        config = cls.Config.model_validate(index.config.model_dump(include=set(IndexConfig.model_fields)))
        return cls(config)._hold(index, items)

    @property
    def index(self) -> TextIndex:
        """The index. Raises `NotFittedError`."""
        if self._index is None:
            raise NotFittedError("TextSearch is not fitted: call fit() or load() first")
        return self._index

    @property
    def items(self) -> ItemTable:
        """The catalogue that the index was made from. Raises `NotFittedError` where `load` was given none."""
        if self._items is None:
            raise NotFittedError("TextSearch has no catalogue: fit it, or give Deps.items to load()")
        return self._items

    def _hold(self, index: TextIndex, items: ItemTable | None) -> Self:
        self._index, self._items, self._kept = index, items, _Kept()
        self._parser = Parser(index, self._synonyms)
        self._facets, self._parents = _Once(), _Once()
        return self

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Index the catalogue."""
        return self._hold(TextIndex.of(data.items, self.config), data.items)

    def apply(self, delta: Delta) -> Self:
        """Return a generator that knows new and changed items, and sorts and counts by the prices of now."""
        if delta.items is self._items:
            return self
        out = copy.copy(self)
        if len(delta.changed):
            out._hold(self.index.put(delta.items, delta.changed), delta.items)
        else:  # the words are the same, and so is what was understood of queries
            out._items, out._facets, out._parents = delta.items, _Once(), _Once()
        if (facets := self._facets.held) is not None:
            out._facets.held = facets.put(delta.items, delta.changed)
        if (parents := self._parents.held) is not None:
            out._parents.held = parents.put(delta.items, delta.changed)
        return out

    def parse(self, text: str) -> tuple[Query, Plan]:
        """Return what a text asks for, and how the index answers it."""
        # No more of it is read, and what strangers type is not to fill the memory.
        return self._kept.get(text[:MAX_QUERY], self._parsed)

    def _parsed(self, text: str) -> tuple[Query, Plan]:
        return self._planned(self._parser.parse(text))

    def _planned(self, query: Query) -> tuple[Query, Plan]:
        return query, plan(self.index, query)

    def query(self, text: str, prefix: bool = False) -> Query:
        """Return what a text asks for; with ``prefix`` its last word may be a beginning, as in as-you-type search."""
        return self._parser.parse(text, prefix) if prefix else self.parse(text)[0]

    def match(
        self,
        queries: Sequence[str | Query],
        allowed: RowMask | None = None,
        n: int = 100,
        sort: Order = "relevance",
        popularity: NDArray[np.float32] | None = None,
        folded: bool = False,
        facets: bool = False,
    ) -> Matches:
        """Return the best ``n`` allowed products of each query, how many match, and what was corrected or given up.

        ``popularity`` (n_items,) is for sorting by it; ``folded`` keeps one variant of each product; ``facets`` counts
        brands, categories, attributes and prices over the products that match.

        Raises:
            ConfigError: an unknown order. NotFittedError: no catalogue for what needs one.
        """
        if sort not in ORDERS:
            raise ConfigError(f"sort must be one of {', '.join(ORDERS)}; got {sort!r}")
        searcher, answers = Searcher(self.index), []
        for one in queries:
            query, how = self.parse(one) if isinstance(one, str) else self._planned(one)
            answers.append(answer(searcher, query, how, allowed, self._boldly))
        key = None if sort == "relevance" else partial(_key, self.items, sort, popularity)
        shown = Shown(n, key, self.parents if folded else None, self.facet_index if facets else None)
        return matches(answers, shown)

    @property
    def parents(self) -> Parents:
        """Which product each row is a variant of; made when first asked for. Raises `NotFittedError`."""
        return self._parents.get(lambda: Parents.of(self.items))

    @property
    def facet_index(self) -> FacetIndex:
        """The facet values of the catalogue; made when first asked for. Raises `NotFittedError`."""
        return self._facets.get(lambda: FacetIndex.of(self.items))

    def _boldly(self, text: str) -> tuple[Query, Plan]:
        return self._planned(self._parser.parse(text, wide=True))

    def matched_words(self, text: str, row: int) -> list[Match]:
        """Return (query word, field, surface form) of what a product has of a query; see `recsys.search.words`.

        Raises:
            NotFittedError: the generator was loaded without a catalogue.
        """
        if not 0 <= row < min(len(self.items), self.index.n_rows):
            return []
        return matched_words(self.parse(text)[0], self.items, row, self.index.analyzer, self.config)

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return the best ``n`` allowed items that hold a word of each request's text."""
        searcher = Searcher(self.index)
        rows, scores = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        lengths = np.zeros(len(requests), np.int64)
        for i, request in enumerate(requests):
            if request.text is not None:
                found, worth = searcher.top(self.parse(request.text)[1], n, request.allowed)
                rows.append(found)
                scores.append(worth)
                lengths[i] = len(found)
        return Slates(np.concatenate(rows), np.concatenate(scores), offsets_of(lengths))

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the score of each given item, as `generate` gives it."""
        out = np.full(len(slates.items), np.nan, np.float32)
        described = self.index.described()
        for i, known in self._known(requests, slates, described):
            out[known] = look_up(self.index, self.parse(_text(requests[i]))[1], slates.items[known]).scores
        return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)

    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the columns of `features`, in order."""
        return text_features.names(self.index)

    def features(self, requests: Sequence[Request], slates: Slates) -> dict[str, NDArray[np.float32]]:
        """Return columns (m,) float32 about each request's text and each given item; NaN where `score` is NaN.

        See `recsys.search.features.features` for what each column says, `feature_names` for their order.
        """
        out = {name: np.full(len(slates.items), np.nan, np.float32) for name in self.feature_names()}
        described = self.index.described()
        for i, known in self._known(requests, slates, described):
            found = text_features.features(self.index, *self.parse(_text(requests[i])), slates.items[known])
            for name, values in found.items():
                out[name][known] = values
        return out

    def _known(
        self, requests: Sequence[Request], slates: Slates, described: NDArray[np.bool_]
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """Return each request whose text has words, and the places of its slate that the index knows."""
        out = []
        for i, request in enumerate(requests):
            if request.text is None or not self.parse(request.text)[0].slots:
                continue
            places = np.arange(slates.offsets[i], slates.offsets[i + 1])
            items = slates.items[places]
            known = (items >= 0) & (items < self.index.n_rows)
            known[known] = described[items[known]]
            if known.any():
                out.append((i, places[known]))
        return out

    def save(self, folder: Path) -> None:
        """Write the index and the settings."""
        index = self.index
        write_json(folder / "text.json", self.config.model_dump())
        (folder / "index").mkdir()
        index.save(folder / "index")

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Read what `save` wrote; `matched_words` and facets need ``deps.items``."""
        config = cls.Config.model_validate(read_json(folder / "text.json"))
        return cls(config)._hold(TextIndex.load(folder / "index"), deps.items)


def _text(request: Request) -> str:
    return request.text or ""


def _key(items: ItemTable, by: Order, popularity: NDArray[np.float32] | None, rows: ItemRows) -> NDArray[np.float64]:
    return keys(items, rows, by, popularity)


class _Once(Generic[T]):
    """Something that is made when first asked for."""

    def __init__(self) -> None:
        self.held: T | None = None
        self._lock = Lock()

    def get(self, make: Callable[[], T]) -> T:
        with self._lock:
            if self.held is None:
                self.held = make()
            return self.held


class _Kept:
    """The latest queries of one snapshot."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[Query, Plan]] = OrderedDict()
        self._lock = Lock()

    def get(self, text: str, make: Callable[[str], tuple[Query, Plan]]) -> tuple[Query, Plan]:
        """Return what is kept for a text, made where there is nothing yet."""
        with self._lock:
            found = self._held.get(text)
            if found is not None:
                self._held.move_to_end(text)
                return found
        found = make(text)
        with self._lock:
            self._held[text] = found
            if len(self._held) > KEPT:
                self._held.popitem(last=False)
        return found
