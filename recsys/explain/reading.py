"""Reads a text: where it names items, times, numbers, people and acts. What is true of it is judged elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from recsys.explain.clean import level
from recsys.explain.dates import When, when
from recsys.explain.known import ItemId, Known
from recsys.explain.lexicon import Lexicon, Stem
from recsys.explain.numerals import Numeral, numeral, operator
from recsys.explain.tokens import Token, categories, stems_of, tokens

# A single small word of these categories is not taken for a word of a title.
_SPECIAL = ("act:", "people:", "negation", "policy:", "popularity", "number:", "modal", "pronoun:", "speech", "idiom")


@lru_cache(maxsize=8192)
def rest_of(named: frozenset[str], prefix: str) -> str:
    """Return the rest of the first category with ``prefix``, "" where there is none."""
    return min((c[len(prefix) :] for c in named if c.startswith(prefix)), default="")


@dataclass(slots=True, eq=False)
class Node:
    """Something that a text names: tokens ``start`` to ``end`` (exclusive).

    Attributes:
        kind: "item", "when", "number", "quote" or "act". items: what an "item" may be; empty when no item is called so.
        name: of an "act": which one. who: of an "act": whose, see `Reading.subject`.
    """

    kind: str
    start: int
    end: int
    items: frozenset[ItemId] = frozenset()
    stems: tuple[Stem, ...] = ()
    when: When | None = None
    number: Numeral | None = None
    name: str = ""
    who: str = ""
    dates: list[Node] = field(default_factory=list)
    act: Node | None = None


@dataclass(slots=True, eq=False)
class Reading:
    """A text taken apart.

    Attributes:
        categories: of each token: what its language says about it. sentence: of each token: its number.
        node: of each token: the node that it is part of, or None. nodes: in the order of the text.
        lows: each token in lower case, "" for quotes.
    """

    text: str
    language: Lexicon
    tokens: list[Token]
    categories: list[frozenset[str]]
    sentence: list[int]
    node: list[Node | None]
    nodes: list[Node] = field(default_factory=list)
    lows: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lows = ["" if token.quote else token.low for token in self.tokens]

    def has(self, i: int, category: str) -> bool:
        """Return whether token ``i`` exists and belongs to a category."""
        return 0 <= i < len(self.tokens) and category in self.categories[i]

    def low(self, i: int) -> str:
        """Return token ``i`` in lower case, "" beyond the ends and for quotes."""
        return self.lows[i] if 0 <= i < len(self.lows) else ""

    def any_of(self, i: int, prefix: str) -> str:
        """Return the rest of the first category of token ``i`` with ``prefix``, "" when it has none."""
        if not 0 <= i < len(self.tokens):
            return ""
        return rest_of(self.categories[i], prefix)

    def in_sentence(self, number: int) -> Iterator[Node]:
        """Yield the nodes of a sentence."""
        return (n for n in self.nodes if self.sentence[n.start] == number)

    def add(self, node: Node) -> Node:
        """Keep a node and let its tokens belong to it."""
        self.nodes.append(node)
        for i in range(node.start, node.end):
            self.node[i] = node
        return node


def read(text: str, known: Known) -> Reading:
    """Read ``text``, one line of visible characters, with the names that ``known`` holds."""
    language = known.language
    found = tokens(level(text), language)
    n = len(found)
    reading = Reading(text, language, found, categories(found, language), [0] * n, [None] * n)
    _items(reading, known, alone=False)
    _sentences(reading)
    for i, token in enumerate(found):
        if token.quote:
            reading.add(_quoted(token, i, known))
    _dates(reading)
    _items(reading, known, alone=True)
    _numbers(reading)
    reading.nodes.sort(key=lambda node: node.start)
    return reading


def _quoted(token: Token, i: int, known: Known) -> Node:
    """Return the node of a quote: an item where it is a title, or a value, unless it is what was searched for."""
    stems = stems_of(token.low, known.language.locale)
    items = known.titled(stems) if stems and not all(s in known.query for s in stems) else frozenset[ItemId]()
    return Node("item", i, i + 1, items, stems) if items else Node("quote", i, i + 1)


def _items(reading: Reading, known: Known, alone: bool) -> None:
    """Find runs of words that name an item: first those of several words, then, once dates are known, single words."""
    found = reading.tokens
    i = 0
    while i < len(found):
        whole = _value(reading, known, i) if not alone else None
        if whole is not None and not (_begins(reading, known, i) and _run(reading, known, i)[0] > whole.end):
            i = reading.add(whole).end
            continue
        if reading.node[i] is not None or not found[i].word or not _begins(reading, known, i):
            i += 1
            continue
        end, items, count = _run(reading, known, i)
        if (count > 1) != alone and not (alone and not _names(reading, i)):
            stems = tuple(found[k].stem for k in range(i, end) if found[k].word)
            reading.add(Node("item", i, end, items, stems))
        i = end


def _value(reading: Reading, known: Known, i: int) -> Node | None:
    """Return the node of an attribute's value of several words that begins at ``i``: "250 g", "right-hand"."""
    found = reading.tokens
    for stems, item in known.phrases.get(found[i].stem, ()):
        k, at = 1, i + 1
        while k < len(stems) and at < len(found) and (found[at].stem == stems[k] or found[at].low in "-/&"):
            k, at = k + (found[at].stem == stems[k]), at + 1
        if k == len(stems):
            items = frozenset(o for s, o in known.phrases[found[i].stem] if s == stems)
            return Node("item", i, at, items | {item}, stems)
    return None


def _begins(reading: Reading, known: Known, i: int) -> bool:
    token, after = reading.tokens[i], reading.tokens[i + 1 : i + 2]
    if token.stem in known.everything:
        return True
    # "A6": a capital that says nothing by itself
    return token.upper and bool(after) and after[0].word and (token.stem, after[0].stem) in known.links


def _run(reading: Reading, known: Known, i: int) -> tuple[int, frozenset[ItemId], int]:
    """Return the end of the run that begins at ``i``, the items that are called so, and how many words it has."""
    found = reading.tokens
    items = frozenset(k for k, words in known.names.items() if found[i].stem in words) or frozenset(known.names)
    end, count, at = i + 1, 1, i + 1
    while at < len(found) and reading.node[at] is None:
        token = found[at]
        if not token.word or reading.language.has(token.stem, "function"):
            # "The Salt Road by Ines Varga", "Heron & Vale", "wool-lined": inside of a title everything belongs to it.
            if token.capital and (found[at - 1].stem, token.stem) in known.links:  # "Watering Can"
                end, at = at + 1, at + 1
                continue
            after = at + 1
            if after >= len(found) or token.quote or not _linked(reading, known, at):
                break
            at = after
            continue
        if token.stem not in known.everything or (token.number is not None and reading.has(at + 1, "act:rate")):
            break
        fewer = frozenset(k for k in items if token.stem in known.names[k])
        if not fewer or "inside" in reading.categories[at]:
            break
        items, end, count, at = fewer, at + 1, count + 1, at + 1
    return end, items, count


def _linked(reading: Reading, known: Known, at: int) -> bool:
    found = reading.tokens
    token, after = found[at], found[at + 1]
    if token.low == "-":
        return found[at].start == found[at - 1].end and after.start == token.end
    if token.word:
        return (found[at - 1].stem, token.stem) in known.links and (token.stem, after.stem) in known.links
    return token.low in "&.,'+×/" and (found[at - 1].stem, after.stem) in known.links


def _names(reading: Reading, i: int) -> bool:
    """Return whether a single word may name an item: not a bare number, and no word with a meaning of its own."""
    token = reading.tokens[i]
    if token.number is not None or "inside" in reading.categories[i]:
        return False
    named = reading.categories[i]
    return token.capital or not ({"neutral", "setting"} & named or any(c.startswith(_SPECIAL) for c in named))


def _sentences(reading: Reading) -> None:
    number = 0
    found = reading.tokens
    for i, token in enumerate(found):
        reading.sentence[i] = number
        after = found[i + 1] if i + 1 < len(found) else None
        if after is None or reading.node[i] is not None:
            continue
        spaced = after.start > token.end
        ended = token.low in ".!?" and (spaced or after.quote)
        if ended and i and found[i - 1].number is not None and after.low in reading.language.months:
            ended = False  # "am 9. Mai"
        # “Comes clean.” It is also light.
        said = token.quote and token.low.rstrip()[-1:] in (".", "!", "?") and after.upper and spaced
        number += bool((ended and not token.quote) or said)


def _dates(reading: Reading) -> None:
    i = 0
    while i < len(reading.tokens):
        made = when(reading.tokens, i, reading.language) if reading.node[i] is None else None
        if made is None:
            i += 1
            continue
        named, start, end = made
        if all(reading.node[k] is None or k < i for k in range(start, end)):
            while reading.node[start] is not None and start < i:
                start += 1
            node = Node("when", start, end, when=named)
            reading.add(node)
        i = max(i + 1, end)


def _numbers(reading: Reading) -> None:
    i = 0
    while i < len(reading.tokens):
        made = numeral(reading.tokens, i, reading.language) if reading.node[i] is None else None
        if made is None:
            i += 1
            continue
        value, end = made
        op = operator(reading.tokens, i, reading.categories)
        reading.add(Node("number", i, end, number=Numeral(value, op)))
        i = end
