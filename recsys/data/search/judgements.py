"""Queries and what people said of items for them: the ground truth of a search."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsys.data.report import Tally
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.ids import Vocabulary
from recsys.targets import Targets
from recsys.types import offsets_of

INFO_KEY = "judgements"  # where a data set carries them, in ``Dataset.info``
NO_ITEM = "judged item is not in the catalogue"
TWICE = "the same query and item judged twice"


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """Each query once, and its judged items with grades.

    Attributes:
        queries: (q,) texts as they were typed.
        targets: of request i, the judged rows of query i; ``gains`` are the grades, 0 = judged and not relevant.

    Raises:
        DataError: another number of queries than of target lists, or targets without grades.
    """

    queries: tuple[str, ...]
    targets: Targets

    def __post_init__(self) -> None:
        if len(self.queries) != len(self.targets):
            raise DataError(f"{len(self.queries)} queries, judged items for {len(self.targets)}")
        if self.targets.gains is None:
            raise DataError("judgements need a grade for every judged item")

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """(q,) which queries have at least one item above grade 0: only they have a metric."""
        relevant = np.bincount(self.targets.owner, weights=self.targets.relevant, minlength=len(self))
        return relevant > 0

    def take(self, index: NDArray[np.int64]) -> Judgements:
        """Return the queries at positions ``index``."""
        return Judgements(tuple(self.queries[i] for i in index), self.targets.take(index))

    def groups(self) -> NDArray[np.int64]:
        """(q,) a number for each distinct question, however it is cased, accented, spaced, ordered or in the plural.

        Queries of one group must not be split between learning and testing.
        """
        codes: dict[tuple[str, ...], int] = {}
        return np.array([codes.setdefault(_bag(q), len(codes)) for q in self.queries], dtype=np.int64)

    @classmethod
    def of(cls, judged: Iterable[tuple[str, str, float]], vocabulary: Vocabulary) -> Self:
        """Build from (query, item id, grade); the ids must be in the vocabulary, each once a query."""
        tally = Tally()
        builder = JudgementsBuilder(tally)
        for line, (query, item_id, grade) in enumerate(judged, 1):
            tally.start("judgements", line)
            builder.add(query, item_id, grade)
        made = builder.build(vocabulary)
        if tally.dropped:
            raise DataError(f"judgements: {'; '.join(tally.freeze().samples)}")
        return cls(made.queries, made.targets)


class JudgementsBuilder:
    """Collects judgements of a reader; queries are numbered by first appearance."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._codes: dict[str, int] = {}
        self._query: list[int] = []
        self._items: list[str] = []
        self._grades: list[float] = []
        self._places: list[tuple[str, int]] = []
        self._known: set[tuple[int, str]] = set()

    def add(self, query: str, item_id: str, grade: float) -> None:
        """End the started record of the tally as a judgement."""
        code = self._codes.setdefault(query, len(self._codes))
        if (code, item_id) in self._known:
            self.tally.drop(TWICE)
            return
        self._known.add((code, item_id))
        self._query.append(code)
        self._items.append(item_id)
        self._grades.append(grade)
        self._places.append((self.tally.file, self.tally.line))
        self.tally.keep()

    def build(self, vocabulary: Vocabulary) -> Judgements:
        """Return them in rows; judgements of items that the catalogue lacks become dropped records of the tally."""
        rows = vocabulary.rows(self._items)
        absent = np.flatnonzero(rows < 0)
        self.tally.take_back(NO_ITEM, [self._places[i] for i in absent[:3]], len(absent), 0)
        query, grades = np.asarray(self._query, dtype=np.int64), np.asarray(self._grades, dtype=np.float32)
        kept = np.flatnonzero(rows >= 0)
        kept = kept[np.argsort(query[kept], kind="stable")]
        offsets = offsets_of(np.bincount(query[kept], minlength=len(self._codes)))
        return Judgements(tuple(self._codes), Targets(rows[kept].astype(np.int32), offsets, grades[kept]))


def judgements_of(data: Dataset) -> Judgements:
    """Return the judgements that a data set carries.

    Raises:
        DataError: it carries none.
    """
    found = data.info.get(INFO_KEY)
    if not isinstance(found, Judgements):
        raise DataError(f"data set {data.name!r} has no judged queries: read one with search:FOLDER")
    return found


def _bag(query: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKD", query).casefold()
    words = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c)).split()
    return tuple(sorted(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in words))
