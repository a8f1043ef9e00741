"""Engine: from a catalogue and an event log to ranked lists; the only composer of the stages."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from recsys.config import EngineConfig
from recsys.data.splits import ChoicesBack
from recsys.dataset import Dataset, ItemTable
from recsys.degrading import Guard, Warmth
from recsys.erasing import Erasures
from recsys.errors import DataError, ShapeMismatch
from recsys.fitting import Fitted, Progress, fit_all, plan_for, silent
from recsys.fitting_rerank import with_rerankers
from recsys.fitting_search import with_finders
from recsys.funnel import Funnel, Plan
from recsys.living import Living
from recsys.protocols import FitOptions, Store
from recsys.registry import Registry
from recsys.reranking import Absent
from recsys.rules import Rules
from recsys.saving import load_fitted, save_fitted
from recsys.searching import search_plan
from recsys.snapshot import Snapshot
from recsys.store.edits import Edits
from recsys.store.fill import fill
from recsys.store.journal import Journal
from recsys.store.memory import MemoryStore
from recsys.store.searches import SearchLog
from recsys.types import (
    NO_ROWS,
    Events,
)

# Choices before the last of each shopper that a reranker learns from, too.
EARLIER = (2, 3)
# Before a fit: others may write faster than a shop can read, and the fit must begin.
MOST_REFRESHES = 1000


class Engine(Living):
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
        self._given = store is not None
        self._bind(store if store is not None else MemoryStore(weights=self.config.events.weights))
        self._snapshot: Snapshot | None = None
        self._staged: Snapshot | None = None
        self._suggests = self._held = self._profiler = None
        self._desks = {}
        self._guards: dict[str, Guard] = {}
        self._erasures = Erasures(self._drop_kept)
        self._lock = threading.RLock()  # of all changes; calls that only read take none
        self._fitting = threading.Lock()
        self._journal: Journal | None = None

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

    def _bind(self, store: Any) -> None:
        """Work over a store, with its searches and edits of profiles; an engine has its own where a store has none."""
        self.store: Any = store
        searches, edits = getattr(store, "searches", None), getattr(store, "edits", None)
        self.searches: SearchLog = SearchLog() if searches is None else searches
        self.edits: Edits = Edits() if edits is None else edits

    # -- learning ------------------------------------------------------------------------------------------------

    def fit(self, data: Dataset | None = None, options: FitOptions | None = None, progress: Progress = silent) -> Self:
        """Learn from ``data``, which becomes what the store holds, or from what the store holds already.

        A store that was given to the engine is kept: it is filled with ``data`` if it is empty.

        Generators are fitted twice: without everybody's latest choice, to train the ranker on candidates for it,
        then on everything. A ranker of [search] learns from the searches of ``data``, which become what the engine
        holds of them, else from those that it holds. With too few shoppers, or searches, to train a ranker, lists
        stay in fused order; `warnings` says so.

        An engine that serves goes on with what it has until the fit is done, and for good if it fails. What is added,
        logged, merged or erased meanwhile is in the new fit, too; an event on an item that the new ``data`` lack is
        not, and `warnings` counts these. A fit waits for one that is under way.

        Raises:
            DataError: there are no items or no events, or the given store holds something else than ``data``.
        """
        with self._fitting:
            try:
                return self._fit(data, options or FitOptions(seed=self.config.seed), progress)
            finally:
                with self._lock:
                    self._journal = self._staged = None

    def _fit(self, data: Dataset | None, options: FitOptions, progress: Progress) -> Self:
        with self._lock:
            self._journal = journal = Journal()
        store = self.store if data is None else self._filled(data)
        with self._lock:
            searches = self.searches if store is self.store else store.searches
            if store is self.store:
                for _ in range(MOST_REFRESHES):  # what is in the data is not to be learned a second time
                    if not self.refresh():
                        break
            data = replace(store.dataset(), searches=searches.every())
            journal.reads(store, self)
        if not len(data.items) or not len(data.log):
            raise DataError("nothing to fit: the store needs items and events (put_items, put_events, or fit(data))")
        back = ChoicesBack.of(data.log)
        fitted = fit_all(self.config, self.registry, data, back.fold(1, 1), data.log, options, progress)
        fitted = with_rerankers(
            self.config, self.registry, data, fitted, data.log, options, progress,
            lambda: [back.fold(k, k) for k in EARLIER],
        )  # fmt: skip
        fitted = with_finders(self.config, self.registry, data, fitted, options, progress)
        warm = {name: Warmth(reranker) for name, reranker in fitted.rerankers.items()}
        for name, reranker in fitted.rerankers.items():
            warm[name].bring(reranker)
        with self._lock:
            self._journal = self._held = None
            if store is not self.store:
                self._bind(store)
                self._suggests = self._profiler = None
            # Calls take no lock: what is served next has to hold all that was added and logged before they see it.
            self._staged = self._made(data.items, fitted, warm=warm)
            self._catch_up(data.items, journal)
            self._snapshot, self._staged = self._staged, None
        return self

    def _catch_up(self, fitted_on: ItemTable, journal: Journal) -> None:
        """Take in what was added and logged while the fit was under way."""
        self._take_in(fitted_on)
        events, taken = journal.learned()
        if len(events) or len(taken):
            self._apply(events, NO_ROWS, taken)
        lost, snapshot = journal.again(self), self._newest
        if lost and snapshot is not None:
            said = f"events of the time of the fit on items that the new data lack, not kept: {lost:,}"
            fitted = replace(snapshot.fitted, warnings=(*snapshot.fitted.warnings, said))
            self._replace(replace(snapshot, fitted=fitted))

    def _filled(self, data: Dataset) -> Any:
        """Return the store that holds ``data``: the given one, else a new one, bound where nothing is served yet."""
        if self._given:
            fill(self.store, data, self.searches)
            return self.store
        store = MemoryStore.of(data, weights=self.config.events.weights)
        if not data.searches:
            store.searches = self.searches
        store.edits = self.edits
        with self._lock:
            if self._snapshot is None:
                self._bind(store)
        return store

    def _made(
        self, items: ItemTable, fitted: Fitted, bundle_id: str = "", warm: Mapping[str, Warmth] | None = None
    ) -> Snapshot:  # fmt: skip
        bare = {name: plan_for(self.config, fitted, v) for name, v in self.config.variants.items()}
        plans = {name: self._guarded(plan, warm or {}) for name, plan in bare.items()}
        funnels = {name: Funnel(plan) for name, plan in plans.items()}
        searches = {name: search_plan(self.config, fitted, funnel) for name, funnel in funnels.items()}
        return Snapshot(items, fitted, funnels, searches, self.store, bundle_id)

    def _guarded(self, plan: Plan, warm: Mapping[str, Warmth]) -> Plan:
        """Return the plan with its reranker under its budget; what is known of its failures outlives snapshots.

        ``warm`` are rerankers that were warmed up already, or could not be: their guards do not do it again.
        """
        name = plan.reranker_name
        if not name:
            return plan
        if name not in self._guards:
            self._guards[name] = Guard(
                plan.reranker, name, self.config.rerank[name].budget_ms, watched=self._erasures.watched
            )
        guard = self._guards[name]
        guard.warmth = warm.get(name, guard.warmth)
        return replace(plan, reranker=guard.over(plan.reranker))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the fit could not do, in words."""
        fitted = self._current().fitted
        # Not kept with the fit: where the model is there again, nothing is to be said.
        gone = (f"{name} is left out: {r.error}" for name, r in fitted.rerankers.items() if isinstance(r, Absent))
        return (*fitted.warnings, *gone)

    @property
    def is_fitted(self) -> bool:
        """Whether there is something to make lists with."""
        return self._snapshot is not None

    @property
    def bundle_id(self) -> str:
        """The id of the bundle that was loaded; "" for what was fitted here."""
        return self._current().bundle_id

    @property
    def fitted(self) -> Fitted:
        """The fitted components by name: for inspection, evaluation and explanations."""
        return self._current().fitted

    def close(self) -> None:
        """End what works in the background: reasons that are still being worded are dropped."""
        for desk in self._desks.values():
            desk.close()

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
        and so are items whose description changed. A reranker whose model is not there any more is left out: `warnings`
        and the trace of every list of its variants say so.

        Raises:
            ModelError: the bundle is damaged, foreign or newer, or the store's rows are not the bundle's.
        """
        registry = registry or Registry()
        config, items, fitted, bundle_id = load_fitted(Path(path), registry, verify)
        given = store is not None
        if store is None:
            empty = Dataset.of([], [])
            store = MemoryStore(replace(empty, items=items), weights=config.events.weights)
        engine = cls(config, store, registry)
        engine._given = given
        engine._snapshot = engine._made(items, fitted, bundle_id)
        engine._take_in(items)
        # The others are warmed up by who first asks for them: a command that asks once need not wait for all.
        usual = engine._current().funnels[config.variant].plan.reranker
        if usual is not None:
            usual.warm_up()
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
        self._apply(Events.of(()), held.described_anew(fitted_on))
