"""The evidence of one text, arranged for looking things up."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from recsys.explain.claims import Runs, lent, value_lent
from recsys.explain.clean import MAX_CHARS, level, plain, visible
from recsys.explain.lexicon import Lexicon, Stem, lexicon
from recsys.explain.tokens import Token, stems_of, tokens, words_of
from recsys.explanation import Evidence

REC = ""  # the recommended item where no evidence tells its id
_ELLIPSIS = re.compile(r"\s*(?:…|\.{2,}|\[\s*(?:…|\.+)\s*\])\s*")
_MARKS = re.compile(r"[,.;:!?]")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_LEFT_OUT = 60  # characters that "..." may stand for
_SCOPE = 4  # how many words a negation reaches

_READ = 4 * MAX_CHARS  # characters of a title or quote that are looked at

ItemId = str


@dataclass(frozen=True, slots=True)
class Named:
    """What an item may be called by: the words of its title or value in order, and all that stand for them.

    ``runs`` are the words without those that claim something (`recsys.explain.claims`): these count between quotation
    marks alone, as the whole ``sequence`` does.
    """

    sequence: tuple[Stem, ...]
    runs: Runs
    content: frozenset[Stem]


@dataclass(frozen=True, slots=True)
class Quote:
    """A cited review: its text for looking up quotes, and the words that it says or denies.

    Attributes:
        body: the text with level marks, in lower case. said, denied: stems with all that mean the same.
    """

    index: int
    item: ItemId
    review: str
    body: str
    said: frozenset[Stem]
    denied: frozenset[Stem]


@dataclass(slots=True)
class Known:
    """Everything that a text may rest on; ``phrases`` are values of several words, by their first one."""

    language: Lexicon
    evidence: Sequence[Evidence]
    rec: ItemId = REC
    names: dict[ItemId, set[Stem]] = field(default_factory=dict)
    sequences: dict[ItemId, list[tuple[Stem, ...]]] = field(default_factory=dict)
    events: list[tuple[int, Evidence]] = field(default_factory=list)
    values: list[tuple[int, Evidence, frozenset[Stem]]] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    query: dict[Stem, int] = field(default_factory=dict)
    popular: list[tuple[int, Evidence]] = field(default_factory=list)
    novel: list[tuple[int, Evidence]] = field(default_factory=list)
    links: set[tuple[Stem, Stem]] = field(default_factory=set)
    phrases: dict[Stem, list[tuple[tuple[Stem, ...], ItemId]]] = field(default_factory=dict)
    everything: set[Stem] = field(default_factory=set)

    def event_items(self) -> set[ItemId]:
        """Return the items that the shopper did something with."""
        return {e.item_id for _, e in self.events}

    def titled(self, sequence: Sequence[Stem]) -> frozenset[ItemId]:
        """Return the items whose title, or a value of theirs, holds these words in a row."""
        return frozenset(item for item, known in self.sequences.items() if any(_within(sequence, s) for s in known))


def known(evidence: Sequence[Evidence], title: str, language: Lexicon, item_id: str | None = None) -> Known:
    """Arrange ``evidence`` about the recommended item ``item_id`` called ``title``."""
    out = Known(language, evidence, _recommended(evidence, title) if item_id is None else item_id)
    if title:
        _name(out, out.rec, title)
    for index, e in enumerate(evidence):
        _name(out, e.item_id, e.title)
        if e.kind == "event":
            out.events.append((index, e))
        elif e.kind == "attribute":
            named = _valued((e.value or "")[:_READ], language.locale)
            out.values.append((index, e, frozenset(itertools.chain.from_iterable(named.runs))))
            _call(out, e.item_id, named)
            for run in named.runs:
                if len(run) > 1:
                    out.phrases.setdefault(run[0], []).append((run, e.item_id))
        elif e.kind == "review":
            said, denied, body = _review((e.quote or "")[:_READ], language.locale)
            out.quotes.append(Quote(index, e.item_id, e.review_id or "", body, said, denied))
        elif e.kind == "query":
            for stem in stems_of(plain(e.value or ""), language.locale):
                out.query.setdefault(stem, index)
        elif e.kind == "popularity":
            out.popular.append((index, e))
        else:
            out.novel.append((index, e))
    for names in out.names.values():
        out.everything |= names
    return out


def _recommended(evidence: Sequence[Evidence], title: str) -> ItemId:
    """Return the id of the recommended item: the one of that title, else the one that no event is about."""
    if title:
        return next((e.item_id for e in evidence if e.title == title and e.kind != "event"), REC)
    acted = {e.item_id for e in evidence if e.kind == "event"}
    return next((e.item_id for e in evidence if e.kind != "event" and e.item_id not in acted), REC)


def _name(out: Known, item: ItemId, title: str) -> None:
    _call(out, item, _titled(title[:_READ], out.language.locale))


def _call(out: Known, item: ItemId, named: Named) -> None:
    out.names.setdefault(item, set()).update(named.content)
    listed = out.sequences.setdefault(item, [])
    if named.sequence and named.sequence not in listed:
        listed.append(named.sequence)
        for run in named.runs:
            out.links.update(itertools.pairwise(run))


@lru_cache(maxsize=8192)
def _titled(title: str, locale: str) -> Named:
    # A title of a thousand words would allow everything: what comes after the first thirty names nothing.
    return _named(stems_of(plain(title, 200), locale)[:30], lent(title, locale), lexicon(locale))


@lru_cache(maxsize=8192)
def _valued(value: str, locale: str) -> Named:
    return _named(stems_of(plain(value), locale), value_lent(value, locale), lexicon(locale))


def _named(sequence: tuple[Stem, ...], runs: Runs, language: Lexicon) -> Named:
    content: set[Stem] = set()
    for stem in itertools.chain.from_iterable(runs):
        if not language.has(stem, "function"):
            content |= language.synonyms.get(stem, frozenset((stem,)))
    return Named(sequence, runs, frozenset(content))


@lru_cache(maxsize=8192)
def _review(quote: str, locale: str) -> tuple[frozenset[Stem], frozenset[Stem], str]:
    """Return the words that a review says, those that it denies, and its text as it is searched."""
    language = lexicon(locale)
    text = level(visible(quote))
    said: set[Stem] = set()
    denied: set[Stem] = set()
    reach, fresh = 0, False
    for token in _stated(tokens(text.replace('"', " "), language), language):
        if token.quote or not token.word:
            reach = 0 if token.low in ",.;:!?" else reach
            continue
        if language.has(token.stem, "negation"):
            reach, fresh = _SCOPE, True
            said.add(token.stem)
            continue
        if not fresh and token.low in language.grammar["scope_ends"]:
            reach = 0
        if not language.has(token.stem, "function"):
            (denied if reach else said).update(language.synonyms.get(token.stem, frozenset((token.stem,))))
            reach, fresh = max(0, reach - 1), False
    return frozenset(said), frozenset(denied), text.lower()


def _stated(found: Sequence[Token], language: Lexicon) -> Iterator[Token]:
    """Yield the words of clauses that tell what is, and of this item: no wish, no condition, no "my old lamp"."""
    clause: list[Token] = []
    for token in found:
        if token.low in ",.;:!?" or token.low in language.grammar["turns"]:
            if not _unreal([t.low for t in clause], language):
                yield from clause
            clause = []
        clause.append(token)
    if not _unreal([t.low for t in clause], language):
        yield from clause


def _unreal(words: Sequence[str], language: Lexicon) -> bool:
    """Return whether the clause of these words is a wish, a condition, or about another item."""
    grammar = language.grammar
    if any(w in grammar["unreal"] or w in grammar["elsewhere"] for w in words):
        return True
    return any(a in grammar["mine"] and b in grammar["earlier_mine"] for a, b in itertools.pairwise(words))


def quoted(quote: str, known_quote: Quote, language: Lexicon) -> bool:
    """Return whether ``quote`` is verbatim in a review: case, white space and marks at its ends aside.

    Parts around "..." are looked up one after another, within one sentence and close together. A part that leaves out
    the negation right before or behind it, or what makes its clause a wish, says something else than its review does.
    """
    at, body = 0, known_quote.body
    for part in _ELLIPSIS.split(level(quote).lower()):
        wanted = " ".join(part.split()).strip(" .,;:!?-—\"'()")
        if not wanted:
            continue
        found = _next(wanted, body, at)
        if found is None or _cut(body[: found[0]], wanted, body[found[1] :], language):
            return False
        at = found[1]
    return at > 0


def _next(wanted: str, body: str, at: int) -> tuple[int, int] | None:
    """Return where the next part of a quote stands, behind ``at``; None where too much lies between the two."""
    pattern = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    found = pattern.search(body, at)
    if found is None:
        return None
    between = body[at : found.start()]
    if at and (len(between) > _LEFT_OUT or _SENTENCE.search(between)):
        return None
    return found.span()


def _cut(before: str, wanted: str, after: str, language: Lexicon) -> bool:
    last, first = _MARKS.split(before)[-1], _MARKS.split(after)[0]
    around = [*_words(last, language, last=True), *_words(wanted, language), *_words(first, language)]
    if _unreal(around, language) and not _unreal(_words(wanted, language), language):
        return True
    if any(language.has(s, "negation") for s in stems_of(last, language.locale)[-3:]):
        return True
    # "does | not flicker"; where verbs come first, also "flackert | überhaupt nicht"
    for word in first.split()[: 3 if language.verb_last else 1]:
        if word in language.grammar["joins"]:
            return False
        if any(language.has(s, "negation") for s in stems_of(word, language.locale)):
            return True
    return False


def _words(text: str, language: Lexicon, *, last: bool = False) -> list[str]:
    """Return the words of a part of a clause, up to where it turns ("but"), or from there on."""
    words = [t.low for t in words_of(text, language)]
    turns = [i for i, w in enumerate(words) if w in language.grammar["turns"]]
    if not turns:
        return words
    return words[turns[-1] :] if last else words[: turns[0]]


def _within(part: Sequence[Stem], whole: Sequence[Stem]) -> bool:
    n = len(part)
    wanted = tuple(part)
    return any(tuple(whole[i : i + n]) == wanted for i in range(len(whole) - n + 1))
