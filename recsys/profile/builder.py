"""Builds the profile of a shopper from what the store holds, at every call anew: what is erased there is gone here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from recsys.aspects import AspectTable, ReviewIndex, Said
from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.explanation import Evidence
from recsys.profile.journeys import journeys
from recsys.profile.lines import Line, LineKind, Profile, line_id, money, month, name_of, times
from recsys.profile.sensitive import SensitiveWords
from recsys.profile.signals import MAX_EVIDENCE, Signals, private
from recsys.profile.usual import Key, Usual, chance, names
from recsys.store.edits import Edits
from recsys.types import Event, Events, Request, Review

MAX_LINES = 12
QUOTA: dict[LineKind, int] = {
    "journey": 3, "category": 3, "brand": 2, "value": 2, "price": 1, "aspect": 3, "dislike": 2,
}  # fmt: skip
MIN_WEIGHT = 0.1
MIN_SHARE = 0.12  # of the liked products
OFTEN = 0.3
MIN_LIFT = 1.5  # against the catalogue, or for a brand against the shelves that were chosen from
MAX_CHANCE = 0.02  # of so many items with a value among any items of the same shelves
MIN_PRICES = 4
NARROW = 0.65  # of the spread of all prices
MIN_PRICE_SIGMAS = 2.0
MIN_ASPECT_LIFT = 1.3
CLEAR = 0.1  # a sentiment that takes a side


def _least(n: int) -> int:
    """Return how many of ``n`` products make a habit: one never does, and two do only where there are few."""
    return 2 if n < 8 else 3


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
        sensitive: Iterable[str] = (),
    ) -> None:
        """``sensitive`` are further words and phrases that no line may touch, beside the built-in ones."""
        self.items, self.table, self.reviews = items, table, reviews
        self.edits = edits if edits is not None else Edits()
        self._usual = Usual.of(items)
        self._words = SensitiveWords(sensitive)
        self._sensitive: dict[int, bool] = {}
        self._read: Sequence[Review] = ()

    def over(self, items: ItemTable, reviews: Sequence[Review], index: ReviewIndex | None = None) -> Profiler:
        """Return the profiler over a catalogue and reviews as they are now; itself while they are the same.

        ``index`` is of these very reviews, where there is one already. What is usual in the catalogue is counted anew
        once the catalogue has grown by a twentieth.
        """
        if items is self.items and (self.table is None or reviews is self._read):
            return self
        grown = len(items) > 1.05 * self._usual.n_items + 20
        out = Profiler(items, table=self.table, edits=self.edits) if grown else copy(self)
        out._words = self._words
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

        They are of kind "forget", one for each item behind the line. What one likes to pay and what one cares about
        rest on everything that was chosen: they are taken out without any event, and reasons speak of the aspect no
        more.

        Raises:
            DataError: there is no such line.
        """
        line = self.line(user, line_id, history, now)
        self.edits.hide(user, line_id)
        if line.kind in ("price", "aspect"):
            return []
        ids = {item_id: _event_id(user, line_id, item_id, now) for item_id in line.item_ids}
        return [Event(user_id=user, item_id=i, kind="forget", time=now, event_id=e) for i, e in ids.items()]

    def _lines(self, user: str, history: Events, now: int) -> list[Line]:
        signals = Signals.of(history, self.items, now, self._sensitive, self._words)
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
            text = f"Lately you look into {one.name}: {signals.products(one.entries)} products since {month(since)}."
            weight = 0.3 + float(signals.weights[list(one.entries)].sum()) / whole
            yield self._line("journey", one.name, text, weight, signals, one.entries)

    def _favourites(self, signals: Signals) -> Iterator[Line]:
        liked = signals.liked.tolist()
        whole = float(signals.weights[liked].sum()) if liked else 0.0
        groups: dict[Key, list[int]] = {}
        for entry in liked:
            for key in names(self.items, int(signals.rows[entry])):
                groups.setdefault(key, []).append(entry)
        total = signals.products(liked)
        for key, entries in sorted(groups.items()):
            kind, field, name = key
            said, n = name_of(name), signals.products(entries)
            if not said or n < _least(total) or n < MIN_SHARE * total or not self._telling(key, signals, liked, n):
                continue
            share = float(signals.weights[entries].sum()) / whole
            lift = max(share / self._usual.share(key), 1.0)
            many = f"{n} of your latest {total} products"
            often = "You often come back to" if n >= OFTEN * total else "Now and then you choose from"
            text = {
                "category": f"{often} {said}: {many}.",
                "brand": f"You like {said}: you chose it for {many}.",
            }.get(kind, f"{_heading(field)}: you chose {said} for {many}.")
            # Half of all, and twice as often as in the catalogue, is the measure of a clear favourite.
            weight = share**0.5 * (1 - 1 / lift) * (0.9 if kind == "category" else 0.8 if kind == "brand" else 0.6)
            if weight < MIN_WEIGHT:
                continue
            yield self._line(kind, said if kind != "value" else f"{field} {said}", text, weight, signals, entries)

    def _telling(self, key: Key, signals: Signals, liked: Sequence[int], n: int) -> bool:
        """Return whether ``n`` liked products with a value are more than what the catalogue makes one choose."""
        if key[0] == "category":
            share = n / max(1, signals.products(liked))
            return share >= MIN_LIFT * self._usual.share(key)
        # Who buys jackets buys what jackets are made of: a choice is what goes beyond that.
        expected = self._usual.expected(self.items, signals.first_of_products(liked), key)
        return n >= MIN_LIFT * expected and (key[0] == "brand" or chance(n, expected) <= MAX_CHANCE)

    def _price(self, signals: Signals) -> Iterator[Line]:
        prices = self.items.prices[signals.rows]
        entries = [i for i in signals.liked.tolist() if prices[i] > 0]
        if len(entries) < MIN_PRICES:
            return
        places = {i: self._usual.price_place(self.items, int(signals.rows[i])) for i in entries}
        known = [i for i in entries if not np.isnan(places[i])]
        # A place on the shelf that is drawn at random has the mean 1/2 and the variance 1/12.
        sigmas = (sum(places[i] for i in known) - len(known) / 2) / max(1.0, len(known) / 12) ** 0.5
        if len(known) >= MIN_PRICES and abs(sigmas) >= MIN_PRICE_SIGMAS:
            side = [i for i in known if (places[i] - 0.5) * sigmas > 0]
            text = f"Of one kind of thing you mostly choose the {'cheaper' if sigmas < 0 else 'dearer'} ones"
            text += f": {signals.products(side)} of your latest {signals.products(known)} products."
            yield self._line("price", "level", text, 0.2 + 0.08 * abs(sigmas), signals, side)
        low, high = np.quantile(prices[entries], [0.1, 0.9]).tolist()
        if np.log(high / low) <= NARROW * self._usual.spread:
            text = f"You mostly choose things that cost between {money(low)} and {money(high)}."
            yield self._line("price", "range", text, 0.35, signals, entries)

    def _aspects(self, user: str, signals: Signals) -> Iterator[Line]:
        """Yield what one's own reviews speak of.

        What others say of the things that one chose tells nothing of oneself: on the sample shop no more of that was
        true than of aspects drawn at random.
        """

        def told(item_id: str) -> bool:
            row = self.items.vocabulary.row(item_id)
            return row < 0 or not private(self.items, row, self._sensitive, self._words)

        own = [] if self.reviews is None else [r for r in self.reviews.of_user(user) if told(r.item_id)]
        if self.table is None or self.reviews is None or not own:
            return
        liked = signals.liked.tolist()
        history = Events.of(signals.rows[liked], weights=signals.weights[liked])
        cares = self.table.cares([Request(history=history)], [own], self.items, decay=1.0)[0]
        lift = cares / self.table.typical
        said = [s for s in self.reviews.written(user) if told(s.item_id)]
        for aspect in np.argsort(-lift, kind="stable")[: 2 * QUOTA["aspect"]].tolist():
            if lift[aspect] < MIN_ASPECT_LIFT:
                break
            name, strength = self.table.aspects[aspect], float(lift[aspect] / (lift[aspect] + 2.0))
            voices = [one for one in said if one.aspect == aspect]
            written = self._quotes(voices)
            if len(written) > 1:
                text = f"You care about {name}: {len(written)} of your {len(own)} reviews speak of it."
                weight = 0.8 * strength
            elif written:
                mean = sum(v.sentiment for v in voices) / len(voices)
                act = "praised" if mean > CLEAR else "found fault with" if mean < -CLEAR else "wrote about"
                thing = next(filter(None, (name_of(e.title.split(",")[0]) for e in written)), "something that you know")
                text, weight = f"You once {act} the {name} of {thing}.", 0.35 * strength
            else:
                continue
            ids = tuple(dict.fromkeys(e.item_id for e in written))
            one = self._line("aspect", name, text, weight, signals, ())
            yield replace(one, evidence=tuple(written[:MAX_EVIDENCE]), item_ids=ids)

    def _quotes(self, voices: Sequence[Said]) -> list[Evidence]:
        """Return the shopper's own sentences as evidence; ``voices`` hold none about a sensitive item."""
        rows = [self.items.vocabulary.row(s.item_id) for s in voices]
        return [
            Evidence(
                kind="review", item_id=s.item_id, title=self.items.titles[row], review_id=s.review_id,
                start=s.start, end=s.end, quote=s.quote,
            )
            for s, row in zip(voices, rows, strict=True)
            if s.quote and row >= 0
        ]  # fmt: skip

    def _dislikes(self, signals: Signals) -> Iterator[Line]:
        groups: dict[Key, list[int]] = {}
        for entry in range(len(signals)):
            for key in names(self.items, int(signals.rows[entry])):
                groups.setdefault(key, []).append(entry)
        for (kind, _, name), entries in sorted(groups.items()):
            against = [i for i in entries if signals.weights[i] < 0]
            said = name_of(name)
            if kind == "value" or not said or len(against) < 2 or len(against) <= 0.6 * len(entries):
                continue
            text = f"You turned down {said} {times(len(against))}."
            yield self._line("dislike", f"{kind} {said}", text, 0.1 * len(against) + 0.2, signals, against)


def _heading(field: str) -> str:
    """Return the name of an attribute as the beginning of a sentence."""
    said = name_of(field.replace("_", " ")) or "feature"
    return said[:1].upper() + said[1:]


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
