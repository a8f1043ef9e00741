"""Why an item is in a list: the part of the engine that holds what reasons are made of."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from threading import RLock

from recsys.config import EngineConfig
from recsys.erasing import Erasures
from recsys.errors import NotFittedError
from recsys.explain.causal import Rescore
from recsys.explain.facts import MatchedWords
from recsys.explaining import Reasons, Said
from recsys.explanation import Case, Explanation
from recsys.funnel import Plan, Stopwatch
from recsys.registry import Registry
from recsys.result import StageTrace
from recsys.snapshot import Snapshot
from recsys.types import Request, Slates
from recsys.writing import Desk


class Reasoning:
    """Words reasons for lists; what they are made of is kept between calls."""

    config: EngineConfig
    registry: Registry
    _snapshot: Snapshot | None
    _lock: RLock
    _held: Reasons | None
    _desks: dict[str, Desk]
    _erasures: Erasures

    def _current(self) -> Snapshot:
        if self._snapshot is None:
            raise NotFittedError("the engine is not fitted: call fit(data), or Engine.load(path)")
        return self._snapshot

    def _explained(
        self, snapshot: Snapshot, requests: Sequence[Request], listed: Slates, ranked: Slates, rescore: Rescore,
        watch: Stopwatch, words: MatchedWords | None = None, use: bool | str = True, personal: bool = True,
        plan: Plan | None = None, strict: bool = False,
    ) -> Said:  # fmt: skip
        """Return one reason for each listed entry; what rules brought into a list is explained by public facts.

        The explainer is the one that the call names with ``use``, else that of the ``plan``, else that of the settings.
        ``personal=False`` is for lists whose order no history has a part in: see `Reasons.said`.
        """
        usual = (plan.explain if plan is not None else "") or self.config.explain.use
        begin, name = time.perf_counter(), use if isinstance(use, str) else usual
        reasons = self._reasons(snapshot)
        desk = self._desk(name) if reasons.is_slow(name) else None
        said = reasons.said(
            requests, listed, ranked, rescore, words, name, personal=personal, strict=strict, desk=desk
        )  # fmt: skip
        took_ms = (time.perf_counter() - begin) * 1000
        watch.stages.append(StageTrace("explain", name, took_ms, len(listed.items), len(said.explanations)))
        return said

    def _reasons(self, snapshot: Snapshot) -> Reasons:
        """Return what reasons are made of, made when first asked for; live changes update it, a fit drops it.

        What is kept is of the engine as it is now: it knows all rows of an older ``snapshot``, but for one of before a
        fit on other data. Such a call gets reasons of its own.
        """
        with self._lock:
            now = self._current()
            if snapshot.store is not now.store:
                return self._made_of(snapshot).over(snapshot.store.reviews())
            if self._held is None:
                self._held = self._made_of(now)
            self._held = self._held.over(now.store.reviews())
            return self._held

    def _desk(self, name: str) -> Desk:
        """Return who words the reasons of a slow explainer in the background, made when first asked for."""
        with self._lock:
            if name not in self._desks:
                made_by = repr((name, self.config.explain, self.config.models)).encode()
                self._desks[name] = Desk(lambda cases: self._worded(cases, name), hashlib.sha256(made_by).hexdigest())
            return self._desks[name]

    def _worded(self, cases: Sequence[Case], name: str) -> list[Explanation]:
        with self._erasures.watched():
            return self._reasons(self._current()).worded(cases, name)

    @property
    def reasons_queued(self) -> int:
        """How many reasons were ever queued to be worded in the background."""
        return sum(desk.counts.get("queued", 0) for desk in list(self._desks.values()))

    def wait_for_reasons(self, timeout_s: float = 10.0) -> bool:
        """Wait until no reason is being worded in the background; return whether that came about in time."""
        until = time.monotonic() + timeout_s
        return all(desk.wait(max(0.0, until - time.monotonic())) for desk in list(self._desks.values()))

    def _made_of(self, one: Snapshot) -> Reasons:
        return Reasons.of(self.config, self.registry, one.items, one.fitted, one.store.log())
