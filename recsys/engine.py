"""Engine: from a catalogue and an event log to ranked lists; the only composer of the stages."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from recsys.asking import Asking, Snapshot
from recsys.config import EngineConfig
from recsys.data.splits import leave_one_out
from recsys.dataset import Dataset, ItemTable
from recsys.errors import DataError, ShapeMismatch
from recsys.fitting import Fitted, Progress, fit_all, plan_for, silent
from recsys.fitting_search import with_finders
from recsys.funnel import Funnel, updated
from recsys.protocols import Delta, FitOptions, Store
from recsys.registry import Registry
from recsys.rules import Rules
from recsys.saving import load_fitted, save_fitted
from recsys.searching import search_plan
from recsys.store.dump import dump, restore
from recsys.store.histories import join
from recsys.store.memory import MemoryStore
from recsys.store.searches import SearchLog
from recsys.types import (
    KIND_CODES,
    NO_ROWS,
    Event,
    Events,
    Item,
    ItemRows,
    Search,
    utc,
)


class Engine(Asking):
    """A recommender for one shop, in one process: fit, save, load, recommend, similar_items, rank.

    Calls may come from many threads. New items and events take effect at once, without a refit; a call that is
    under way keeps the snapshot that it began with.

    >>> engine = Engine().fit(data)                         # doctest: +SKIP
    >>> print(engine.recommend("user-7", k=5))              # doctest: +SKIP
    """

    def __init__(
        self, config: EngineConfig | None = None, store: Store | None = None, registry: Registry | None = None
    ) -> None:
        self.config = (config or EngineConfig()).trimmed()
        self.registry = registry or Registry()
        self.rules = Rules.of(self.config.rules)
        self.store: Any = store if store is not None else MemoryStore(weights=self.config.events.weights)
        self.searches = SearchLog()
        self._snapshot: Snapshot | None = None
        self._suggests = None
        self._held = None
        self._lock = threading.Lock()

    @classmethod
    def from_config(
        cls,
        source: EngineConfig | Mapping[str, Any] | Path | str | None = None,
        store: Store | None = None,
        registry: Registry | None = None,
    ) -> Self:
        """Build from settings, plain values or a TOML file; not fitted yet."""
        if source is None or isinstance(source, EngineConfig):
            config = source
        elif isinstance(source, Mapping):
            config = EngineConfig.of(source)
        else:
            config = EngineConfig.read(source)
        return cls(config, store, registry)

    # -- learning ------------------------------------------------------------------------------------------------

    def fit(self, data: Dataset | None = None, options: FitOptions | None = None, progress: Progress = silent) -> Self:
        """Learn from ``data``, which becomes what the store holds, or from what the store holds already.

        Generators are fitted twice: without everybody's latest choice, to train the ranker on candidates for it,
        then on everything. A ranker of [search] learns from the searches of ``data``, which become what the engine
        holds of them, else from those that it holds. With too few shoppers, or searches, to train a ranker, lists
        stay in fused order; `warnings` says so.

        Raises:
            DataError: there are no items or no events.
        """
        if data is not None:
            self.store = MemoryStore.of(data, weights=self.config.events.weights)
            if data.searches:
                self.searches = SearchLog(data.searches)
        logged = tuple(one for _, theirs in self.searches.by_user() for one in theirs)
        data = replace(self.store.dataset(), searches=logged)
        if not len(data.items) or not len(data.log):
            raise DataError("nothing to fit: the store needs items and events (put_items, put_events, or fit(data))")
        options = options or FitOptions(seed=self.config.seed)
        fold = leave_one_out(data.log).refit
        fitted = fit_all(self.config, self.registry, data, fold, data.log, options, progress)
        fitted = with_finders(self.config, self.registry, data, fitted, options, progress)
        with self._lock:
            self._snapshot, self._held = self._made(data.items, fitted), None
            self._take_in(data.items)  # what was added while the fit was under way
        return self

    def _made(self, items: ItemTable, fitted: Fitted, bundle_id: str = "") -> Snapshot:
        plans = {name: plan_for(self.config, fitted, variant) for name, variant in self.config.variants.items()}
        funnels = {name: Funnel(plan) for name, plan in plans.items()}
        searches = {name: search_plan(self.config, fitted, funnel) for name, funnel in funnels.items()}
        return Snapshot(items, fitted, funnels, searches, bundle_id)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the fit could not do, in words."""
        return self._current().fitted.warnings

    @property
    def fitted(self) -> Fitted:
        """The fitted components by name: for inspection, evaluation and explanations."""
        return self._current().fitted

    # -- live changes --------------------------------------------------------------------------------------------

    def add_items(self, items: Sequence[Item]) -> None:
        """Add or change items: text, attributes and rules serve them at once, collaborative parts after a fit."""
        with self._lock:
            rows = self.store.put_items(items)
            self._apply(Events.of(()), rows)

    def withdraw(self, item_ids: Sequence[str]) -> None:
        """Take items off the shelf; they are never shown again unless they are added again."""
        with self._lock:
            self.store.withdraw(item_ids)
            self._apply(Events.of(()), NO_ROWS)

    def add_events(self, events: Sequence[Event]) -> int:
        """Log events and return how many were new; the next list of these shoppers reflects them.

        Raises:
            DataError: an event names an unknown item; then none of the batch is logged.
        """
        with self._lock:
            fresh = self.store.unknown(events)
            count: int = self.store.put_events(fresh)
            if count and self._snapshot is not None:
                by_user: dict[str, list[Event]] = {}
                for event in fresh:
                    by_user.setdefault(event.user_id, []).append(event)
                self._apply(join([self._as_stored(user, theirs) for user, theirs in by_user.items()]), NO_ROWS)
            return count

    def _as_stored(self, user: str, fresh: Sequence[Event]) -> Events:
        # The store weighs events in the light of the whole history (a return takes a purchase back), so the new
        # ones are read back from it rather than weighed here a second time. They are found by what they say: a
        # late event is not the last of its shopper, and one without a time got its time from the store.
        history: Events = self.store.history(user)
        rows = self._rows(self.store.items(), [e.item_id for e in fresh]).tolist()
        wanted = Counter(
            (row, KIND_CODES[e.kind], None if e.time is None else utc(e.time))
            for row, e in zip(rows, fresh, strict=True)
        )
        places = []
        for place in range(len(history) - 1, -1, -1):
            row, kind = int(history.rows[place]), int(history.kinds[place])
            found = next((k for k in ((row, kind, int(history.times[place])), (row, kind, None)) if wanted[k]), None)
            if found is not None:
                wanted[found] -= 1
                places.append(place)
            if len(places) == len(fresh):
                break
        return replace(history.take(np.array(places[::-1], dtype=np.int64)), ids=())

    def _apply(self, events: Events, changed: ItemRows) -> None:
        if self._snapshot is None:
            return
        items = self.store.items()
        delta = Delta(items=items, changed=changed, events=events)
        old = self._snapshot.fitted
        fitted = replace(old, generators=updated(old.generators, delta), rankers=updated(old.rankers, delta))
        self._snapshot = self._made(items, fitted, self._snapshot.bundle_id)
        if self._held is not None:
            self._held = self._held.updated(items, fitted, changed)

    def add_searches(self, searches: Sequence[Search]) -> int:
        """Log what shoppers typed and what they chose from the answers; return how many searches were new."""
        return self.searches.put(searches)

    def merge(self, guest: str, customer: str) -> int:
        """Give a guest's events and searches to the customer that they turned out to be; return how many events."""
        moved: int = self.store.merge(guest, customer)
        self.searches.merge(guest, customer)
        return moved

    def erase(self, user: str) -> int:
        """Forget a shopper; return how many events are gone. No bundle holds anything about them."""
        gone: int = self.store.erase(user)
        self.searches.erase(user)
        return gone

    # -- keeping -------------------------------------------------------------------------------------------------

    def save(self, path: Path | str) -> str:
        """Write a bundle atomically and return its id. Nothing about a person is in it: people live in the store."""
        snapshot = self._current()
        return save_fitted(Path(path), self.config, snapshot.items, snapshot.fitted)

    @classmethod
    def load(
        cls, path: Path | str, store: Store | None = None, registry: Registry | None = None, verify: bool = True
    ) -> Self:
        """Read a bundle. Without a ``store`` the catalogue of the bundle is served to strangers.

        A store may hold more items than the bundle was fitted on: they are taken in as live additions,
        and so are items whose description changed.

        Raises:
            ModelError: the bundle is damaged, foreign or newer, or the store's rows are not the bundle's.
        """
        registry = registry or Registry()
        config, items, fitted, bundle_id = load_fitted(Path(path), registry, verify)
        if store is None:
            empty = Dataset.of([], [])
            store = MemoryStore(replace(empty, items=items), weights=config.events.weights)
        engine = cls(config, store, registry)
        engine._snapshot = engine._made(items, fitted, bundle_id)
        engine._take_in(items)
        return engine

    def _take_in(self, fitted_on: ItemTable) -> None:
        """Serve what the store holds now: items that are new or described otherwise than when they were fitted."""
        held: ItemTable = self.store.items()
        if held is fitted_on:
            return
        ours = fitted_on.ids
        if held.ids[: len(ours)] != ours:
            raise ShapeMismatch(
                "the store's items are not the ones that the bundle was fitted on: fit again on this store"
            )
        changed = [row for row, (a, b) in enumerate(zip(_words(held), _words(fitted_on), strict=False)) if a != b]
        self._apply(Events.of(()), np.array([*changed, *range(len(ours), len(held))], dtype=np.int32))

    def dump(self, place: Path | str) -> dict[str, int]:
        """Write the store's items, events and reviews to a folder or one ``.jsonl.gz``; return how many of each."""
        return dump(self.store, Path(place))

    def restore(self, place: Path | str) -> dict[str, int]:
        """Fill the empty store from a dump; return how many items, events and reviews it holds."""
        return restore(self.store, Path(place))


def _words(items: ItemTable) -> Iterator[tuple[Any, ...]]:
    return zip(items.titles, items.texts, items.brands, items.categories, items.attributes, strict=True)
