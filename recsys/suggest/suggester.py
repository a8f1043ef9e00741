"""Completions and next queries, none of which leads to an empty page."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from recsys.dataset import ItemTable
from recsys.profile.sensitive import is_sensitive
from recsys.store.searches import SearchLog, query_key
from recsys.suggest.entities import NOBODY, Entities, entities_of
from recsys.suggest.phrases import LogStats, Phrase, catalogue_phrases, log_stats, short, words
from recsys.suggest.prefixes import Prefixes
from recsys.types import NO_EVENTS, Events

Hits = Callable[[Sequence[str]], Sequence[int]]
MAX_TYPED_CHARS, MAX_TYPED_WORDS = 80, 8
K_ANONYMITY = 3
POOL = 40  # candidates looked at for each request
OWN = 4.0  # what a shopper typed before is most often what they type again
PERSONAL = 1.5
CORRECTED = 0.6
KEPT_HITS = 50_000
# What one types is a product, then a shelf, then a wish; a maker alone comes last.
_KIND = {"log": 1.0, "category": 1.0, "title": 0.7, "brand-category": 0.7, "value-category": 0.6, "brand": 0.8}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One text to offer; ``source`` is "own", "log", "catalogue", "next" or "entity"."""

    text: str
    source: str


class Suggester:
    """Suggests queries of one catalogue and one moment of the log.

    What other shoppers typed is suggested only if at least ``k_anonymity`` of them did; a shopper's own queries are
    suggested to that shopper alone, and are read from the log at every call. ``hits`` says for texts how many items
    a search finds; a text that finds none is never suggested. Its answers are remembered.
    """

    def __init__(self, items: ItemTable, log: SearchLog | None, hits: Hits, *, k_anonymity: int = K_ANONYMITY) -> None:
        self._items, self._log, self._hits = items, log, hits
        self.version = -1 if log is None else log.version
        self._phrases = catalogue_phrases(items)
        vocabulary = {w for t in (*items.titles, *items.texts) for w in words(t[:2_000])}
        vocabulary.update(w for text in self._phrases for w in text.split())
        self._stats = LogStats() if log is None else log_stats(log.by_user(), k_anonymity, vocabulary)
        for text, n in self._stats.counts.items():
            old = self._phrases.get(text)
            kind, count = ("log", 0) if old is None else (old.kind, old.items)
            self._phrases[text] = Phrase(text, kind, items=count, shoppers=n)
        self._texts = sorted(self._phrases)
        scores = np.array([_score(self._phrases[t]) for t in self._texts], dtype=np.float32)
        self._score = dict(zip(self._texts, scores.tolist(), strict=True))
        self._prefixes = Prefixes(self._texts, scores)
        # By key: who asks for a kettle means the shelf of kettles.
        self._categories = {query_key(t): t for t in self._texts if self._phrases[t].kind == "category"}
        self._counted = Counts()

    def over(self, items: ItemTable, hits: Hits, counted: Counts) -> Suggester:
        """Return a suggester of the same phrases over a catalogue as it is now, with the counts remembered for it."""
        out = copy.copy(self)
        out._items, out._hits, out._counted = items, hits, counted
        return out

    def __len__(self) -> int:
        return len(self._texts)

    def complete(
        self, typed: str, k: int = 8, *, user: str | None = None, history: Events = NO_EVENTS
    ) -> list[Suggestion]:
        """Return at most ``k`` queries that go on from what is being typed, best first; own ones come first.

        An empty ``typed`` gives the shopper's latest queries, then queries for what they come back to.
        """
        prefix = _typed(typed)
        own = self._own(user, prefix)
        me = self._entities(user, history)
        pool: dict[str, float] = {}
        if prefix.strip():
            found = self._found(prefix)
            if len(found) < k:
                for other in self._prefixes.corrections(prefix):
                    for text, score in self._found(other).items():
                        found.setdefault(text, score * CORRECTED)
            pool = {t: s + PERSONAL * me.weight(t) for t, s in found.items()}
        for age, text in enumerate(own):
            pool[text] = max(pool.get(text, 0.0), self._score.get(text, 0.0)) + OWN * 0.9**age
        if not prefix.strip():
            pool |= {t: s for t, s in self._about(me, "").items() if t not in pool}
        mine = set(own)
        ranked = sorted(pool, key=lambda t: (-pool[t], t))
        source = {t: "own" if t in mine else self._source(t) for t in ranked}
        return self._shown(ranked, source, k, typed.strip().casefold())

    def next(self, text: str, k: int = 6, *, user: str | None = None, history: Events = NO_EVENTS) -> list[Suggestion]:
        """Return at most ``k`` queries that may follow ``text``.

        What others typed next in the same visit, then what is asked for crossed with the shopper's own brands and
        values; sensitive texts are never among them.
        """
        asked = _typed(text).strip()
        me = self._entities(user, history)
        key = query_key(asked)
        follow = {t: float(np.log1p(n)) for t, n in self._stats.follows.get(key, ())}
        about = self._about(me, asked) if asked else {}
        pool = {t: s for t, s in about.items() if query_key(t) != key}
        for t, s in follow.items():
            pool[t] = max(pool.get(t, 0.0), 2.0 * s) + PERSONAL * me.weight(t)
        ranked = sorted((t for t in pool if not is_sensitive(t)), key=lambda t: (-pool[t], t))
        return self._shown(ranked, {t: "next" if t in follow else "entity" for t in ranked}, k, asked)

    def _found(self, prefix: str) -> dict[str, float]:
        return {self._texts[i]: score for i, score in self._prefixes.find(prefix, POOL)}

    def _own(self, user: str | None, prefix: str) -> list[str]:
        """Return the shopper's own queries with that prefix, the latest first."""
        if self._log is None or user is None:
            return []
        mine = (short(s.text) for s in reversed(self._log.of_user(user)))
        return [t for t in dict.fromkeys(mine) if t and f" {t}".startswith(f" {prefix}")][:10]

    def _entities(self, user: str | None, history: Events) -> Entities:
        searches = () if self._log is None else self._log.of_user(user)
        return entities_of(history, self._items, searches) if len(history) or searches else NOBODY

    def _about(self, me: Entities, asked: str) -> dict[str, float]:
        """Return phrases of the catalogue that cross what is asked for with brands and values of the shopper.

        Without anything asked for the shopper's own categories take its place.
        """
        subjects = self._subjects(asked) if asked else list(me.categories)[:6]
        out: dict[str, float] = {}
        for subject in subjects:
            base = me.categories.get(subject, 0.0)
            if not asked:
                out[subject] = self._score.get(subject, 0.0) * 0.2 + base
            for sort in (me.brands, me.values):
                for name, weight in list(sort.items())[:12]:
                    text = short(f"{name} {subject}")
                    if text in self._phrases and text != asked:
                        out[text] = max(out.get(text, 0.0), weight + base + 0.1 * self._score[text])
        if asked and not out:
            longer: dict[str, float] = {}
            for subject in subjects:
                longer |= self._found(f"{subject} ")
            out = {t: 0.1 * s + PERSONAL * me.weight(t) for t, s in longer.items()}
        return {t: s for t, s in out.items() if t in self._phrases and not is_sensitive(t)}

    def _subjects(self, asked: str) -> list[str]:
        """Return the names of categories that a query speaks of, the longest first; else the query itself."""
        parts = asked.split()
        spans = [" ".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)]
        found = {c for span in spans if (c := self._categories.get(query_key(span)))}
        return sorted(found, key=lambda s: (-len(s), s))[:2] or [asked]

    def _source(self, text: str) -> str:
        phrase = self._phrases.get(text)
        return "log" if phrase is not None and phrase.shoppers and phrase.kind == "log" else "catalogue"

    def _shown(self, ranked: Sequence[str], source: dict[str, str], k: int, typed: str) -> list[Suggestion]:
        """Return the first ``k`` that find something and that differ by more than the order of their words."""
        out: list[Suggestion] = []
        seen: set[str] = set()
        for begin in range(0, len(ranked), 2 * k or 1):
            part = ranked[begin : begin + 2 * k]
            for text, n in zip(part, self._count(part), strict=True):
                key = query_key(text)
                if n > 0 and key not in seen and text != typed and len(out) < k:
                    seen.add(key)
                    out.append(Suggestion(text, source[text]))
            if len(out) >= k:
                break
        return out

    def _count(self, texts: Sequence[str]) -> list[int]:
        known = self._counted.of(texts)
        missing = [t for t in texts if t not in known]
        if missing:
            known |= {t: int(n) for t, n in zip(missing, self._hits(missing), strict=True)}
            # Only phrases that are everybody's: what one shopper typed is remembered in the log alone.
            self._counted.put({t: known[t] for t in missing if t in self._phrases})
        return [known[t] for t in texts]

    def warm(self, texts: Iterable[str] = ()) -> None:
        """Count the hits of the most likely phrases (or of ``texts``) now, so that no shopper waits for it."""
        wanted = list(texts) or sorted(self._texts, key=lambda t: -self._score[t])[:KEPT_HITS]
        for begin in range(0, len(wanted), 256):
            self._count(wanted[begin : begin + 256])


class Counts:
    """How many items a search for each text finds, of at most `KEPT_HITS` texts; threads may share it."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def of(self, texts: Sequence[str]) -> dict[str, int]:
        """Return the counts of those texts that have one."""
        with self._lock:
            return {t: self._held[t] for t in texts if t in self._held}

    def put(self, counts: Mapping[str, int]) -> None:
        """Remember counts; the oldest are forgotten."""
        with self._lock:
            self._held.update(counts)
            while len(self._held) > KEPT_HITS:
                self._held.popitem(last=False)


def _score(phrase: Phrase) -> float:
    return _KIND[phrase.kind] * float(np.log1p(phrase.items)) + 1.5 * float(np.log1p(phrase.shoppers))


def _typed(text: str) -> str:
    """Return what is typed as folded words; a space at the end says that the last word is finished."""
    cut = text[:MAX_TYPED_CHARS]
    found = words(cut)[:MAX_TYPED_WORDS]
    return " ".join(found) + (" " if found and cut[-1:].isspace() else "")
