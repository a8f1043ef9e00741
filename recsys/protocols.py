"""Every protocol of the engine, each with its written contract.

Rules that hold for all of them: a call takes a batch and one request is a batch of one, with the same answer;
inputs are never changed; the same seed gives the same answer; two threads may call one object at a time;
an object that was not fitted raises `NotFittedError`. `recsys.testing` checks all of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.dataset import Dataset, ItemTable
from recsys.explanation import Case, Explanation
from recsys.types import NO_EVENTS, NO_ROWS, Event, Events, Item, ItemRows, Request, RowMask, Scores, Slates, Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How to fit: ``seed`` fixes all randomness, ``threads`` bounds the cores, ``deadline`` is `time.monotonic`.

    ``device`` is where models of torch are trained ("cpu", "cuda"). ``kept``: a folder of generators that were fitted
    before, see `recsys.kept`.
    """

    seed: int = 0
    device: str = "cpu"
    threads: int = 2
    deadline: float | None = None
    kept: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What a component may ask for when it is built or loaded."""

    items: ItemTable | None = None
    models: Mapping[str, Any] = field(default_factory=dict)
    popularity: NDArray[np.float32] | None = None  # (n_items,) liked events in the fit
    build: Any = None  # (kind, options) -> component, for components made of others


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What changed: the whole catalogue as it is now, the rows that are new or described otherwise, new events.

    Stock, prices and what is withdrawn change all day, without ``changed``: they are read from ``items``.
    ``taken`` are earlier liked events, weighed as they were, that count no more: a return, a dislike or a wish to
    forget took them back.
    """

    items: ItemTable
    changed: ItemRows
    events: Events
    taken: Events = NO_EVENTS


@dataclass(frozen=True, slots=True)
class Changes:
    """What other processes wrote to a shared store, weighed as the store weighs it; events have no ids.

    Attributes:
        items: rows that are new, changed or withdrawn; `Store.items` holds them already.
        events: new events of all shoppers, in any order.
        taken: earlier liked events that count no more, see `Delta`.
        people: whether shoppers were erased or merged: what is kept of people in memory has to go.
        reviews: whether reviews are new or gone.
        more: whether there is more: look again at once.
    """

    items: ItemRows = field(default_factory=lambda: NO_ROWS)
    events: Events = NO_EVENTS
    taken: Events = NO_EVENTS
    people: bool = False
    reviews: bool = False
    more: bool = False

    def __len__(self) -> int:
        """How many items and events there are."""
        return len(self.items) + len(self.events) + len(self.taken)


@runtime_checkable
class Shared(Protocol):
    """Declared ability of a store: other processes write to it, too, and it tells what."""

    def changes(self) -> Changes:
        """Return what others wrote since the last call, nothing at the first; what this process wrote is not in it.

        The work of a call is bounded: of a long absence only a part comes, and the rest with the calls that follow.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Scores GIVEN items: complete feature columns, fixed candidate sets, pinned items."""

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Return the same items in the same order with this scorer's scores; NaN where it cannot score."""
        ...


@runtime_checkable
class CandidateGenerator(Scorer, Protocol):
    """Finds items for a request."""

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Return at most ``n`` allowed rows a request, best first, without duplicates; fewer when it knows no more."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """Declared ability: work that `generate` and `score` share is done once for a batch."""

    def prepared(self, requests: Sequence[Request]) -> CandidateGenerator:
        """Return a generator that answers these very requests alone, like this one would; it serves one thread."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """Orders a slate: LightGBM, an LLM reranker, a diversifier."""

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Return at most ``n`` of the given items a request, best first; columns travel along."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What the scores of some entries are made of: each is ``expected`` + the sum of its row of ``amounts``.

    Attributes:
        names: (f,) of the features. labels: (f,) what they are in words.
        values: (w, f) float32 as they were read, NaN = unknown.
        amounts: (w, f) float64, signed: by how much each raised the score or lowered it.
        expected: the score of an item that nothing is known of.
    """

    names: Sequence[str]
    labels: Sequence[str]
    values: NDArray[np.float32]
    amounts: NDArray[np.float64]
    expected: float


@runtime_checkable
class Decomposable(Protocol):
    """Declared ability of a ranker: its scores are sums of what each feature contributed."""

    def feature_contributions(
        self, requests: Sequence[Request], slates: Slates, wanted: NDArray[np.bool_]
    ) -> Contributions:
        """Return what the scores of the entries ``wanted`` (m,) are made of, in their order.

        ``slates`` are what `Ranker.rank` was given: the score of an entry may depend on the others. The sums equal
        the scores that `rank` gives these entries, but for the rounding of float32.
        """
        ...


@runtime_checkable
class Attributor(Protocol):
    """Declared ability: the exact share of each history event in each item's score."""

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Return ``(m, longest history)``; row sums equal `score` where it is finite and 0 elsewhere."""
        ...


@runtime_checkable
class Explainer(Protocol):
    """Puts facts into words."""

    def explain(self, cases: Sequence[Case]) -> list[Explanation]:
        """Return one explanation for each case, resting on nothing but that case's facts; kind "none" without any."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` float32 of unit length; a text without any known word is all zeros."""
        ...


@runtime_checkable
class Index(Protocol):
    """Nearest vectors by inner product."""

    def search(self, queries: Vectors, n: int, allowed: RowMask | None) -> tuple[NDArray[np.int32], Scores]:
        """Return rows and scores, both ``(q, n)``, best first; -1 and -inf pad."""
        ...


@runtime_checkable
class Store(Protocol):
    """Where the shop's items and events live; bound to one tenant."""

    def put_items(self, items: Sequence[Item]) -> ItemRows:
        """Add or change items; return their rows, which never change afterwards."""
        ...

    def put_events(self, events: Sequence[Event]) -> int:
        """Add events, skipping ``event_id`` values that are known; return how many were new."""
        ...

    def unknown(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that `put_events` would add: those without an id, and the first of each new id."""
        ...

    def items(self) -> ItemTable:
        """Return the catalogue as it is now; later changes do not show in it."""
        ...

    def history(self, user: str, before: int | None = None, limit: int | None = None) -> Events:
        """Return the latest ``limit`` events of a user before epoch second ``before``, oldest first."""
        ...

    def merge(self, guest: str, customer: str) -> int:
        """Move all events of ``guest`` to ``customer``, in time order; return how many."""
        ...

    def erase(self, user: str) -> int:
        """Forget a user; return how many events are gone."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Anything with state that is learned from data. It writes npy, npz, safetensors, onnx, text, json; no pickle."""

    def fit(self, data: Dataset, options: FitOptions) -> Self:
        """Learn from ``data`` and return self; a second fit forgets the first."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs into the empty ``folder``; nothing in it is about a person."""
        ...

    @classmethod
    def load(cls, folder: Path, deps: Deps) -> Self:
        """Return the component as it was when saved."""
        ...


@runtime_checkable
class TrainableRanker(Ranker, Protocol):
    """A ranker that learns from labelled slates."""

    def fit(
        self, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], options: FitOptions
    ) -> Self:
        """Learn from ``labels`` (m,), aligned with ``slates.items``; higher is better."""
        ...


@runtime_checkable
class Live(Protocol):
    """Takes in new items and events without a refit."""

    def apply(self, delta: Delta) -> Self:
        """Return a component that knows the change; this one stays as it is."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """Declared ability: what is kept of people to answer quickly, in memory alone, can be dropped."""

    def forget(self, user: str) -> int:
        """Drop all that is kept of ``user``, of everybody where it is ""; return how much that was."""
        ...


@dataclass(frozen=True, slots=True)
class DropReport:
    """What a reader did with its input; ``read == kept + dropped`` and repaired ones are among the kept.

    ``reasons`` counts drops and repairs by cause, ``samples`` shows a few as "file:line: cause".
    """

    read: int = 0
    kept: int = 0
    repaired: int = 0
    dropped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()


@runtime_checkable
class Reader(Protocol):
    """Reads a data set as its users download it."""

    def read(self, place: str) -> tuple[Dataset, DropReport]:
        """Read files or a folder; a broken line is counted and named, and never ends the run."""
        ...
