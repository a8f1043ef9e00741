"""What may be said about recommended items: facts with evidence that a reader can look up, strongest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.data.splits import chosen
from recsys.dataset import EventLog, ItemTable
from recsys.errors import ContractError
from recsys.explain.facts_events import Credits, Touches, credit
from recsys.explain.facts_settings import FactSettings
from recsys.explain.facts_shared import Shared, share
from recsys.explain.facts_text import clean
from recsys.explain.facts_values import ValueTable, surface
from recsys.explain.strength import Relations, related
from recsys.explanation import Evidence, Fact
from recsys.profile.sensitive import READ, SensitiveWords
from recsys.protocols import Attributor
from recsys.types import KINDS, ItemRows, Request, Slates

DAY = 86_400
# (query text, row) -> (word of the query, field of the item, the word as the item writes it)
MatchedWords = Callable[[str, int], Sequence[tuple[str, str, str]]]
QUERY_STRENGTH, POPULARITY_TOP, NOVELTY_TOP = 0.9, 0.3, 0.35


class AspectSource(Protocol):
    """Who knows what reviewers say about items and what a shopper cares about."""

    def facts(self, requests: Sequence[Request], slates: Slates, items: ItemTable) -> Sequence[Sequence[Fact]]:
        """Return "aspect" facts for each entry of ``slates`` (m,); their reviews are of that very item."""
        ...


def shoppers_per_item(log: EventLog, n_items: int) -> NDArray[np.int64]:
    """Return (n_items,) how many different shoppers chose each item: bought it, or said that they like it."""
    picks = chosen(log.events, log.owner)
    pairs = np.unique(log.owner[picks] * np.int64(max(n_items, 1)) + log.events.rows[picks])
    return np.bincount(pairs % max(n_items, 1), minlength=n_items).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class FactBook:
    """Everything about a catalogue and its generators that facts are made of; one snapshot, shared by all calls.

    ``collect`` is all that a caller needs; ``updated`` follows live changes at the cost of what changed.
    """

    items: ItemTable
    settings: FactSettings
    attributors: Mapping[str, Any]
    weights: Mapping[str, float]
    relations: Relations | None
    shoppers: NDArray[np.int64]
    _by_shoppers: NDArray[np.int64]  # the same, ascending
    _table: ValueTable
    _telling: sparse.csr_array
    _words: SensitiveWords
    _silent: NDArray[np.int8]  # 1 sensitive, 0 not, -1 not looked at yet

    @classmethod
    def of(
        cls, items: ItemTable, generators: Mapping[str, Any], weights: Mapping[str, float], default: float,
        shoppers: NDArray[np.int64], settings: FactSettings | None = None,
    ) -> FactBook:  # fmt: skip
        """Build for a catalogue.

        Args:
            items: the catalogue.
            generators: fitted, by name; those that are an `Attributor` explain.
            weights: of the generators in the fusion, and ``default`` of those without one.
            default: see ``weights``.
            shoppers: (n_items,) or shorter, as `shoppers_per_item` has it.
            settings: the limits.
        """
        settings = settings or FactSettings()
        words = SensitiveWords(settings.sensitive)
        table = ValueTable.of(items, settings, words)
        attributors = {n: g for n, g in generators.items() if isinstance(g, Attributor)}
        matrix = related(generators, weights, default)
        return cls(
            items, settings, attributors, {n: float(weights.get(n, default)) for n in attributors},
            None if matrix is None else Relations.of(matrix, items.parents), shoppers,
            np.sort(shoppers), table, table.telling(settings.common_share), words, _unlooked(table),
        )  # fmt: skip

    def updated(self, items: ItemTable, generators: Mapping[str, Any], changed: ItemRows) -> FactBook:
        """Return the book of the same generators, updated, over a catalogue in which ``changed`` rows are other."""
        out = replace(self, items=items, attributors={n: generators[n] for n in self.attributors})
        if not len(changed):
            return out
        table = self._table.changed(items, changed, self.settings, self._words)
        relations = None if self.relations is None else self.relations.grown(items.parents)
        return replace(
            out, _table=table, _telling=table.telling(self.settings.common_share), relations=relations,
            _silent=_unlooked(table),
        )  # fmt: skip

    def recounted(self, rows: ItemRows, by: NDArray[np.int64]) -> FactBook:
        """Return the book with ``by`` (n,) shoppers more, or less, who chose the items of ``rows`` (n,)."""
        change = np.bincount(rows, weights=by, minlength=len(self.shoppers)).astype(np.int64)
        if not change.any():
            return self
        change[: len(self.shoppers)] += self.shoppers
        counts = np.maximum(change, 0)  # what was put into the store past the engine was never counted
        return replace(self, shoppers=counts, _by_shoppers=np.sort(counts))

    def collect(
        self, requests: Sequence[Request], slates: Slates, *, words: MatchedWords | None = None,
        aspects: AspectSource | None = None,
    ) -> list[list[Fact]]:  # fmt: skip
        """Return the facts about each entry of ``slates`` (m,), strongest first.

        Generators that have no column ``<name>_score`` in the slates took no part in the list and get no credit;
        slates without any such column are credited by all. About a sensitive item nothing personal is said, and no
        sensitive item of a history is ever cited.

        Raises:
            ContractError: ``aspects`` returns evidence about another item.
        """
        silent = self._hushed(requests, slates)
        touches = Touches.of(requests, silent)
        attributors = self._taking_part(slates)
        credits = credit(requests, slates, touches, attributors, self.weights, self.relations)
        shared = share(slates, touches, self._telling, self.settings.max_attributes)
        spoken = self._aspects(_unhushed(requests, silent), slates, aspects)
        out = []
        cited: dict[int, Evidence] = {}  # by touch: one event speaks for several items of a list
        for e, (owner, row) in enumerate(zip(slates.request_index.tolist(), slates.items.tolist(), strict=True)):
            request, facts = requests[owner], self._query(requests[owner], row, words)
            if not silent[row]:
                facts += self._events(request, credits, touches, e, cited)
                facts += self._attributes(request, shared, touches, row, e, cited)
                facts += spoken[e]
            facts += self._public(row, request.now)
            facts.sort(key=lambda fact: -fact.strength)
            out.append(facts[: self.settings.max_facts])
        return out

    def title(self, row: int) -> str:
        """Return a title that can be shown; the id where there is none."""
        return clean(self.items.titles[row], self.settings.title_limit) or self._id(row)

    def _id(self, row: int) -> str:
        return self.items.vocabulary.id(row)

    def _taking_part(self, slates: Slates) -> dict[str, Any]:
        scored = {name for name in self.attributors if f"{name}_score" in slates.columns}
        if not any(name.endswith("_score") for name in slates.columns):
            return dict(self.attributors)
        return {name: g for name, g in self.attributors.items() if name in scored}

    def _hushed(self, requests: Sequence[Request], slates: Slates) -> NDArray[np.bool_]:
        """Return (n_items,) True for sensitive items, right for all that these requests and slates speak of."""
        rows = np.unique(np.concatenate([slates.items, *(r.history.rows for r in requests)]))
        rows = rows[(rows >= 0) & (rows < len(self._silent))]
        for row in rows[self._silent[rows] < 0].tolist():
            self._silent[row] = self._words.in_text(clean(self.items.titles[row][:READ], READ))
        return np.asarray(self._silent == 1)

    def _event(self, request: Request, touches: Touches, touch: int, cited: dict[int, Evidence]) -> Evidence:
        if touch in cited:
            return cited[touch]
        history, place, row = request.history, int(touches.places[touch]), int(touches.rows[touch])
        cited[touch] = out = Evidence(
            kind="event", item_id=self._id(row), title=self.title(row), event_kind=KINDS[history.kinds[place]],
            event_id=(history.ids[place] or None) if history.ids else None, time=int(history.times[place]),
        )  # fmt: skip
        return out

    def _events(
        self, request: Request, credits: Credits, touches: Touches, e: int, cited: dict[int, Evidence]
    ) -> list[Fact]:  # fmt: skip
        begin, end = int(credits.offsets[e]), int(credits.offsets[e + 1])
        strengths = credits.strengths[begin:end]
        best = np.argsort(-strengths, kind="stable")[: self.settings.max_events]
        best = best[(strengths[best] >= self.settings.event_floor) & (strengths[best] > 0)]
        return [
            Fact(
                kind="event", strength=float(strengths[i]),
                evidence=(self._event(request, touches, int(credits.touch[begin + i]), cited),),
                shares={n: round(float(v), 4) for n, s in credits.shares.items() if (v := s[begin + i]) != 0},
            )
            for i in best.tolist()
        ]  # fmt: skip

    def _attributes(
        self, request: Request, shared: Shared, touches: Touches, row: int, e: int, cited: dict[int, Evidence]
    ) -> list[Fact]:  # fmt: skip
        out = []
        for s in range(int(shared.offsets[e]), int(shared.offsets[e + 1])):
            name = self._table.names[shared.values[s]]
            value = surface(self.items, row, name, self.settings)
            own = Evidence(kind="attribute", item_id=self._id(row), title=self.title(row), field=name[0], value=value)
            theirs = [self._event(request, touches, t, cited) for t in shared.touches[s].tolist()]
            out.append(Fact(kind="attribute", strength=float(shared.strengths[s]), evidence=(own, *theirs)))
        return out

    def _query(self, request: Request, row: int, words: MatchedWords | None) -> list[Fact]:
        if words is None or not request.text:
            return []
        first: dict[str, tuple[str, str]] = {}  # the title says it as well as the text below it
        for word, field, written in words(request.text, row):
            first.setdefault(word, (field, written))
        matched = [
            Evidence(
                kind="query", item_id=self._id(row), title=self.title(row), field=field,
                value=clean(word, self.settings.value_limit), quote=clean(written, self.settings.value_limit),
            )
            for word, (field, written) in first.items()
        ]  # fmt: skip
        return [Fact(kind="query", strength=QUERY_STRENGTH, evidence=tuple(matched))] if matched else []

    def _aspects(
        self, requests: Sequence[Request], slates: Slates, aspects: AspectSource | None
    ) -> list[Sequence[Fact]]:  # fmt: skip
        if aspects is None:
            return [()] * len(slates.items)
        spoken = list(aspects.facts(requests, slates, self.items))
        for row, facts in zip(slates.items.tolist(), spoken, strict=True):
            if any(e.item_id != self._id(row) for f in facts for e in f.evidence if e.kind == "review"):
                raise ContractError(f"aspects returned a review of another item for {self._id(row)!r}")
        return spoken

    def _public(self, row: int, now: int) -> list[Fact]:
        """Return what is true of an item whoever looks: many chose it, it is new."""
        out, key, title = [], self._id(row), self.title(row)
        count = int(self.shoppers[row]) if row < len(self.shoppers) else 0
        if count >= self.settings.k_anonymity:
            said = Evidence(kind="popularity", item_id=key, title=title, count=rounded_down(count))
            rank = float(np.searchsorted(self._by_shoppers, count, side="right") / len(self.shoppers))
            out.append(Fact(kind="popularity", strength=POPULARITY_TOP * rank, evidence=(said,)))
        created = int(self.items.created[row])
        if created and 0 <= now - created <= self.settings.novelty_days * DAY:
            fresh = 1 - (now - created) / (self.settings.novelty_days * DAY)
            born = Evidence(kind="novelty", item_id=key, title=title, time=created)
            out.append(Fact(kind="novelty", strength=NOVELTY_TOP * (0.5 + 0.5 * fresh), evidence=(born,)))
        return out


def _unhushed(requests: Sequence[Request], silent: NDArray[np.bool_]) -> Sequence[Request]:
    """Return the requests without the sensitive items of their histories: what one cares about is not read off them."""
    out = []
    for request in requests:
        rows = request.history.rows
        hushed = (rows >= 0) & (rows < len(silent))
        hushed[hushed] = silent[rows[hushed]]
        out.append(replace(request, history=request.history.take(~hushed)) if hushed.any() else request)
    return out


def rounded_down(count: int) -> int:
    """Return ``count`` rounded down to one significant digit: 437 is "more than 400", and 17 is 10."""
    unit = int(10 ** (len(str(count)) - 1))
    return count // unit * unit


def _unlooked(table: ValueTable) -> NDArray[np.int8]:
    return np.where(table.silent(), 1, -1).astype(np.int8)
