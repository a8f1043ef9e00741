"""Builds the profile of a shopper from what the store holds, at every call anew: what is erased there is gone here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from recsys.aspects import AspectTable, ReviewIndex
from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.explanation import Evidence
from recsys.profile.journeys import journeys
from recsys.profile.lines import Line, LineKind, Profile, line_id, money, month, name_of, times
from recsys.profile.sensitive import is_sensitive
from recsys.profile.signals import MAX_EVIDENCE, Signals
from recsys.store.edits import Edits
from recsys.types import Event, Events, Request, Review

MAX_LINES = 12
QUOTA: dict[LineKind, int] = {
    "journey": 3, "category": 3, "brand": 2, "value": 2, "price": 1, "aspect": 3, "dislike": 2,
}  # fmt: skip
MIN_ENTRIES = 2  # one item is no habit
MIN_SHARE = 0.12  # of the liked products
MIN_LIFT = 1.5  # against the catalogue
MIN_PRICES = 4
MIN_ASPECT_LIFT = 1.3
MIN_TALKED = 3


class Profiler:
    """Says what a shop knows about a shopper, and takes it back.

    It holds no shopper itself: histories are given, own reviews come from ``reviews``, changes from ``edits``.
    """

    def __init__(
        self,
        items: ItemTable,
        *,
        table: AspectTable | None = None,
        reviews: ReviewIndex | None = None,
        edits: Edits | None = None,
    ) -> None:
        self.items, self.table, self.reviews = items, table, reviews
        self.edits = edits if edits is not None else Edits()
        self._share, self._counted = _catalogue_shares(items), len(items)
        self._sensitive: dict[int, bool] = {}
        self._read: Sequence[Review] = ()

    def over(self, items: ItemTable, reviews: Sequence[Review], index: ReviewIndex | None = None) -> Profiler:
        """Return the profiler over a catalogue and reviews as they are now; itself while they are the same.

        ``index`` is of these very reviews, where there is one already. What is usual in the catalogue is counted anew
        once the catalogue has grown by a twentieth.
        """
        if items is self.items and (self.table is None or reviews is self._read):
            return self
        grown = len(items) > 1.05 * self._counted + 20
        out = Profiler(items, table=self.table, edits=self.edits) if grown else copy(self)
        out.items, out._sensitive = items, self._sensitive if items is self.items else {}
        if self.table is not None and (reviews is not self._read or items is not self.items):
            out.reviews, out._read = index or ReviewIndex(self.table.lexicon, reviews, items), reviews
        return out

    def view(self, user: str, history: Events, now: int, k: int = MAX_LINES) -> Profile:
        """Return at most ``k`` lines about a shopper, the most telling first."""
        every = self._lines(user, history, now)
        changed = self.edits.of_user(user)
        kept: list[Line] = []
        for one in every:
            edit = changed.get(one.line_id)
            if edit is None:
                kept.append(one)
            elif edit.text is not None:
                kept.append(replace(one, text=edit.text, edited=True))
        hidden = tuple(sorted(i for i, e in changed.items() if e.text is None))
        return Profile(user=user, lines=tuple(_limited(kept, k)), hidden=hidden)

    def line(self, user: str, line_id: str, history: Events, now: int) -> Line:
        """Return a line as the shop would say it, whether it is shown or not. Raises `DataError` if there is none."""
        found = next((one for one in self._lines(user, history, now) if one.line_id == line_id), None)
        if found is None:
            raise DataError(f"the profile of {user!r} has no line {line_id!r}")
        return found

    def edit(self, user: str, line_id: str, text: str) -> None:
        """Say a line in the shopper's own words; the evidence stays. Raises `DataError` for a text that is none."""
        self.edits.edit(user, line_id, text)

    def forget(self, user: str, line_id: str, history: Events, now: int) -> list[Event]:
        """Take a line out of the profile, and return the events to log so that the next list forgets it too.

        They are of kind "forget", one for each item behind the line. A price range rests on everything that was
        chosen: it is taken out without any event.

        Raises:
            DataError: there is no such line.
        """
        line = self.line(user, line_id, history, now)
        self.edits.hide(user, line_id)
        if line.kind == "price":
            return []
        ids = {item_id: _event_id(user, line_id, item_id, now) for item_id in line.item_ids}
        return [Event(user_id=user, item_id=i, kind="forget", time=now, event_id=e) for i, e in ids.items()]

    def _lines(self, user: str, history: Events, now: int) -> list[Line]:
        signals = Signals.of(history, self.items, now, self._sensitive)
        found = [
            *self._journeys(signals, now), *self._favourites(signals), *self._price(signals),
            *self._aspects(user, signals), *self._dislikes(signals),
        ]  # fmt: skip
        best: dict[str, Line] = {}
        for one in found:
            old = best.get(one.line_id)
            if old is None or one.weight > old.weight:
                best[one.line_id] = one
        return sorted(best.values(), key=lambda one: (-one.weight, one.line_id))

    def _line(
        self, kind: LineKind, name: str, text: str, weight: float, signals: Signals, entries: Sequence[int]
    ) -> Line:
        return Line(
            line_id=line_id(kind, name), kind=kind, text=text, weight=round(min(1.0, max(weight, 1e-4)), 4),
            evidence=signals.evidence(entries), item_ids=tuple(dict.fromkeys(signals.ids(entries))),
        )  # fmt: skip

    def _journeys(self, signals: Signals, now: int) -> Iterator[Line]:
        whole = float(np.abs(signals.weights).sum())
        for one in journeys(signals, now):
            since = min(int(signals.history.times[signals.places[i]]) for i in one.entries)
            text = f"Lately you look into {one.name}: {len(one.entries)} products since {month(since)}."
            weight = 0.3 + float(signals.weights[list(one.entries)].sum()) / whole
            yield self._line("journey", one.name, text, weight, signals, one.entries)

    def _favourites(self, signals: Signals) -> Iterator[Line]:
        liked = signals.liked.tolist()
        whole = float(signals.weights[liked].sum()) if liked else 0.0
        groups: dict[tuple[LineKind, str, str], list[int]] = {}
        for entry in liked:
            for key in _names(self.items, int(signals.rows[entry])):
                groups.setdefault(key, []).append(entry)
        for (kind, field, name), entries in sorted(groups.items()):
            said = name_of(name)
            products = {self.items.parents[int(signals.rows[i])] or str(signals.rows[i]) for i in entries}
            share = float(signals.weights[entries].sum()) / whole
            lift = share / self._share.get((kind, field, name), 1.0)
            n = len(entries)
            if not said or len(products) < MIN_ENTRIES or lift < MIN_LIFT or n < MIN_SHARE * len(liked):
                continue
            text = {
                "category": f"You often come back to {said}: {n} of your latest {len(liked)} products.",
                "brand": f"You like {said}: you chose it for {n} of your latest {len(liked)} products.",
            }.get(kind, f"You prefer {said} ({name_of(field) or 'feature'}): {n} of your latest {len(liked)} products.")
            # Half of all, and twice as often as in the catalogue, is the measure of a clear favourite.
            weight = share**0.5 * (1 - 1 / lift) * (0.9 if kind == "category" else 0.8 if kind == "brand" else 0.6)
            yield self._line(kind, said if kind != "value" else f"{field} {said}", text, weight, signals, entries)

    def _price(self, signals: Signals) -> Iterator[Line]:
        prices = self.items.prices[signals.rows]
        entries = [i for i in signals.liked.tolist() if not np.isnan(prices[i])]
        if len(entries) < MIN_PRICES:
            return
        low, high = np.quantile(prices[entries], [0.1, 0.9]).tolist()
        text = f"You mostly choose things that cost between {money(low)} and {money(high)}."
        yield self._line("price", "range", text, 0.35, signals, entries)

    def _aspects(self, user: str, signals: Signals) -> Iterator[Line]:
        if self.table is None or not self.table.aspects:
            return
        own = [] if self.reviews is None else self.reviews.of_user(user)
        liked = signals.liked.tolist()
        history = Events.of(signals.rows[liked], weights=signals.weights[liked])
        cares = self.table.cares([Request(history=history)], [own], self.items, decay=1.0)[0]
        lift = cares / self.table.typical
        salience = self.table.salience
        for aspect in np.argsort(-lift, kind="stable")[: 2 * QUOTA["aspect"]].tolist():
            written = self._written(user, aspect)
            known = [i for i in liked if signals.rows[i] < self.table.n_items]
            entries = [i for i in known if salience[signals.rows[i], aspect] > 0]
            if lift[aspect] < MIN_ASPECT_LIFT or (len(entries) < MIN_TALKED and not written):
                continue
            name = self.table.aspects[aspect]
            talk = f"{len(entries)} of your latest {len(liked)} products"
            # Only one's own words tell what one cares about; a history tells what others say of it.
            text = f"What you choose is often talked about for {name}: {talk}."
            if written:
                text = f"You care about {name}: you wrote about it {times(len(written))}."
            weight = (0.8 if written else 0.5) * float(lift[aspect] / (lift[aspect] + 2.0))
            one = self._line("aspect", name, text, weight, signals, entries)
            yield replace(one, evidence=(*written[:2], *one.evidence)[:MAX_EVIDENCE])

    def _written(self, user: str, aspect: int) -> list[Evidence]:
        """Return the shopper's own sentences about an aspect, one a review."""
        said = [] if self.reviews is None else [s for s in self.reviews.written(user, aspect) if s.quote]
        rows = [self.items.vocabulary.row(s.item_id) for s in said]
        return [
            Evidence(
                kind="review", item_id=s.item_id, title=self.items.titles[row], review_id=s.review_id,
                start=s.start, end=s.end, quote=s.quote,
            )
            for s, row in zip(said, rows, strict=True)
            if row >= 0 and not is_sensitive(self.items.titles[row])
        ]  # fmt: skip

    def _dislikes(self, signals: Signals) -> Iterator[Line]:
        groups: dict[tuple[LineKind, str, str], list[int]] = {}
        for entry in range(len(signals)):
            for key in _names(self.items, int(signals.rows[entry])):
                groups.setdefault(key, []).append(entry)
        for (kind, _, name), entries in sorted(groups.items()):
            against = [i for i in entries if signals.weights[i] < 0]
            said = name_of(name)
            if kind == "value" or not said or len(against) < MIN_ENTRIES or len(against) <= 0.6 * len(entries):
                continue
            text = f"You turned down {said} {times(len(against))}."
            yield self._line("dislike", f"{kind} {said}", text, 0.1 * len(against) + 0.2, signals, against)


def _names(items: ItemTable, row: int) -> Iterator[tuple[LineKind, str, str]]:
    """Yield (kind, field, value) of all that a line may be about."""
    for category in dict.fromkeys(items.categories[row]):
        yield "category", "category", category
    if items.brands[row]:
        yield "brand", "brand", items.brands[row]
    for key, value in items.attributes[row].items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and one:
                yield "value", key, one


def _catalogue_shares(items: ItemTable) -> dict[tuple[LineKind, str, str], float]:
    counts: dict[tuple[LineKind, str, str], int] = {}
    for row in range(len(items)):
        for key in _names(items, row):
            counts[key] = counts.get(key, 0) + 1
    return {key: n / len(items) for key, n in counts.items()}


def _limited(lines: Sequence[Line], k: int) -> Iterator[Line]:
    """Yield the first ``k`` lines within the quota of each kind; a shelf whose items another line has is left out."""
    left = dict(QUOTA)
    covered: list[set[str]] = []
    for one in lines:
        mine = set(one.item_ids)
        repeats = one.kind == "category" and any(len(mine & old) >= 0.8 * len(mine | old) for old in covered)
        if k > 0 and left[one.kind] > 0 and not repeats:
            left[one.kind] -= 1
            k -= 1
            if one.kind == "category":
                covered.append(mine)
            yield one


def _event_id(user: str, line: str, item_id: str, now: int) -> str:
    # Ids are short, and the same request sent twice is one event.
    return "forget-" + hashlib.sha256("\x00".join((user, line, item_id, str(now))).encode()).hexdigest()[:40]
