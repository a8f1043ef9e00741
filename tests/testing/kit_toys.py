"""Correct toy components, ways to break them, and a runner for single checks of a kit."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import ArtifactMissing, DataError, NotFittedError
from recsys.protocols import DropReport
from recsys.testing.worlds import checkerboard, small_shop
from recsys.types import KIND_CODES, NO_EVENTS, Event, Events, Item, Slates, utc


class ToyGenerator:
    """Counts of common shoppers, and a little for a common brand; plain loops."""

    def __init__(self) -> None:
        self.matrix = None
        self.brands: list[str] = []

    def fit(self, data, options):
        liked = data.log.liked()
        x = np.zeros((liked.n_users, len(data.items)), dtype=np.float32)
        x[liked.owner, liked.events.rows] = 1
        self.matrix = x.T @ x
        self.brands = list(data.items.brands)
        self._add_brands()
        return self

    def _add_brands(self):
        same = np.array(self.brands)[:, None] == np.array(self.brands)[None, :]
        self.matrix = (np.floor(self.matrix) + 0.1 * same).astype(np.float32)
        np.fill_diagonal(self.matrix, 0)

    def fitted(self):
        if self.matrix is None:
            raise NotFittedError("fit first")
        return self.matrix

    def shares(self, request):
        """(n_items, len(history))"""
        matrix, h = self.fitted(), request.history
        out = np.zeros((len(matrix), len(h)), dtype=np.float32)
        for place, (row, weight) in enumerate(zip(h.rows.tolist(), self.weights(h), strict=True)):
            if 0 <= row < len(matrix):
                out[:, place] = weight * matrix[row]
        return out

    def weights(self, history):
        return history.weights.tolist()

    def generate(self, requests, n):
        self.fitted()
        lists, scores = [], []
        for request in requests:
            score = self.shares(request).sum(axis=1)
            usable = score > 0
            if request.allowed is not None:
                usable &= request.allowed[: len(score)]
            best = [int(i) for i in np.argsort(-score, kind="stable") if usable[i]][:n]
            lists.append(best)
            scores.append(score[best].tolist())
        return Slates.of(lists, scores)

    def score(self, requests, slates):
        out = np.full(len(slates.items), np.nan, dtype=np.float32)
        n = len(self.fitted())
        for i, request in enumerate(requests):
            score = self.shares(request).sum(axis=1)
            for at in range(int(slates.offsets[i]), int(slates.offsets[i + 1])):
                if 0 <= slates.items[at] < n:
                    out[at] = score[slates.items[at]]
        return Slates(slates.items, out, slates.offsets, slates.columns, slates.notes)

    def contributions(self, requests, slates):
        width = max((len(r.history) for r in requests), default=0)
        out = np.zeros((len(slates.items), width), dtype=np.float32)
        n = len(self.fitted())
        for i, request in enumerate(requests):
            shares = self.shares(request)
            for at in range(int(slates.offsets[i]), int(slates.offsets[i + 1])):
                if 0 <= slates.items[at] < n:
                    out[at, : len(request.history)] = shares[slates.items[at]]
        return sparse.csr_array(out)

    def apply(self, delta):
        out = type(self)()
        out.brands = list(delta.items.brands)
        out.matrix = np.zeros((len(delta.items),) * 2, dtype=np.float32)
        n = len(self.fitted())
        out.matrix[:n, :n] = self.matrix
        out._add_brands()
        return out

    def save(self, folder):
        np.save(folder / "matrix.npy", self.fitted())
        (folder / "brands.json").write_text(json.dumps(self.brands))

    @classmethod
    def load(cls, folder, deps):
        if not (folder / "matrix.npy").exists():
            raise ArtifactMissing("matrix.npy")
        out = cls()
        out.matrix = np.load(folder / "matrix.npy")
        out.brands = json.loads((folder / "brands.json").read_text())
        return out


class ToyRanker:
    """Orders by a column and the incoming score."""

    def scores(self, slates):
        return np.nan_to_num(slates.columns["prior_score"] + 0.5 * slates.scores, posinf=9, neginf=-9)

    def rank(self, requests, slates, n):
        with np.errstate(over="ignore", invalid="ignore"):
            return slates.ordered(self.scores(slates).astype(np.float32), n)


class ToyTrainedRanker(ToyRanker):
    """Orders by how often an item was right."""

    def __init__(self) -> None:
        self.rates = None

    def fit(self, requests, slates, labels, options):
        self.rates = np.bincount(slates.items, weights=labels, minlength=40).astype(np.float32)
        return self

    def scores(self, slates):
        if self.rates is None:
            raise NotFittedError("fit first")
        return self.rates[slates.items]

    def save(self, folder):
        if self.rates is None:
            raise NotFittedError("fit first")
        np.save(folder / "rates.npy", self.rates)

    @classmethod
    def load(cls, folder, deps):
        if not (folder / "rates.npy").exists():
            raise ArtifactMissing("rates.npy")
        out = cls()
        out.rates = np.load(folder / "rates.npy")
        return out


class ToyIndex:
    """Brute force, one query at a time."""

    def __init__(self, vectors) -> None:
        self.vectors = vectors

    def search(self, queries, n, allowed):
        rows = np.full((len(queries), n), -1, dtype=np.int32)
        scores = np.full((len(queries), n), -np.inf, dtype=np.float32)
        for q, query in enumerate(queries):
            inner = self.vectors @ query
            known = np.arange(len(inner)) if allowed is None else np.flatnonzero(allowed[: len(inner)])
            best = known[np.argsort(-inner[known], kind="stable")][:n]
            rows[q, : len(best)], scores[q, : len(best)] = best, inner[best]
        return rows, scores


class ToyStore:
    """Lists."""

    def __init__(self) -> None:
        self.table = ItemTable.of([])
        self.events: list[Event] = []
        self.ids: set[str] = set()

    def put_items(self, items):
        self.table = self.table.put(items)
        return self.table.vocabulary.rows([i.item_id for i in items])

    def put_events(self, events):
        for event in events:
            if event.item_id not in self.table.vocabulary:
                raise DataError(f"unknown item_id {event.item_id!r}")
        new = self.unknown(events)
        self.events += new
        self.ids |= {e.event_id for e in new if e.event_id is not None}
        return len(new)

    def unknown(self, events):
        out, ids = [], set(self.ids)
        for event in events:
            if event.event_id is None or event.event_id not in ids:
                out.append(event)
                ids.add(event.event_id)
        return out

    def items(self):
        return self.table

    def history(self, user, before=None, limit=None):
        own = [e for e in self.events if e.user_id == user]
        if not own:
            return NO_EVENTS
        columns = Events.of(
            self.table.vocabulary.rows([e.item_id for e in own]), times=[utc(e.time) for e in own],
            kinds=[KIND_CODES[e.kind] for e in own], values=[e.value for e in own],
            positions=[e.position or 0 for e in own], ids=[e.event_id or "" for e in own],
        )  # fmt: skip
        events = EventLog.of([user] * len(own), columns).events
        if before is not None:
            events = events.take(events.times < before)
        return events if limit is None else events.take(slice(max(0, len(events) - limit), None))

    def merge(self, guest, customer):
        moved = sum(e.user_id == guest for e in self.events)
        self.events = [replace(e, user_id=customer) if e.user_id == guest else e for e in self.events]
        return moved

    def erase(self, user):
        before = len(self.events)
        self.events = [e for e in self.events if e.user_id != user]
        return before - len(self.events)


class ToyReader:
    """Lines of "user item time"."""

    def read(self, place):
        try:
            lines = Path(place).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError as error:
            raise DataError(f"{place} does not exist") from error
        events, samples = [], []
        for number, line in enumerate(lines, 1):
            parts = line.split()
            if len(parts) == 3 and parts[2].isdigit():
                events.append(Event(user_id=parts[0], item_id=parts[1], time=int(parts[2])))
            else:
                samples.append(f"{place}:{number}: not three fields")
        items = [Item(item_id=name) for name in dict.fromkeys(e.item_id for e in events)]
        report = DropReport(
            read=len(lines), kept=len(events), dropped=len(samples),
            reasons={"fields": len(samples)}, samples=tuple(samples),
        )  # fmt: skip
        return Dataset.of(items, events), report


def broken(base: type, **methods: Any) -> type:
    """A subclass with other methods; None takes a method away."""
    return type(f"Broken{base.__name__}", (base,), methods)


def after(base: type, method: str, change: Callable[..., Any]) -> type:
    """A subclass whose answer of ``method`` is ``change(self, answer, *arguments)``."""
    original = getattr(base, method)

    def changed(self, *args, **kwargs):
        return change(self, original(self, *args, **kwargs), *args, **kwargs)

    return broken(base, **{method: changed})


def before(base: type, method: str, change: Callable[..., Any]) -> type:
    """A subclass whose ``method`` gets the arguments that ``change(self, *arguments)`` returns."""
    original = getattr(base, method)

    def changed(self, *args, **kwargs):
        return original(self, *change(self, *args, **kwargs))

    return broken(base, **{method: changed})


def checks(kit: type) -> list[str]:
    """Names of all checks that a kit defines itself."""
    return [name for name in vars(kit) if name.startswith("test_")]


def run_check(
    kit: type, check: str, component: Any, tmp_path, declared: dict[str, Any] | None = None, **fixtures
) -> None:
    """Run one check of a kit, with every value of its parameters, on a component."""
    own = type("Kit", (kit,), declared or {})
    function = getattr(own, check)
    marks = [m for m in getattr(function, "pytestmark", []) if m.name == "parametrize"]
    choices = [[(m.args[0], value) for value in m.args[1]] for m in marks]
    for number, chosen in enumerate(itertools.product(*choices)):
        folder = tmp_path / str(number)
        folder.mkdir()
        known = {
            "component": component, "world": small_shop(), "checkerboard": checkerboard(), "tmp_path": folder,
            **fixtures, **dict(chosen),
        }  # fmt: skip
        wanted = list(inspect.signature(function).parameters)[1:]
        function(own(), **{name: known[name] for name in wanted})
