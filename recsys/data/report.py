"""Counting what a reader does with its records: the mutable side of `DropReport`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from recsys.errors import ContractError
from recsys.protocols import DropReport

SAMPLES_PER_REASON = 3
MAX_SAMPLES = 40


class Tally:
    """Counts records one at a time; every record that is started ends as kept or as dropped.

    A record is one event or one item: a line that holds three events counts three times, a line that cannot be
    read once. At any moment between two records ``read == kept + dropped`` and ``repaired <= kept``.
    """

    def __init__(self) -> None:
        self.read = self.kept = self.repaired = self.dropped = 0
        self.reasons: Counter[str] = Counter()
        self.samples: list[str] = []
        self.file, self.line = "", 0
        self._shown: Counter[str] = Counter()
        self._repairs: list[str] = []
        self._open = False

    def start(self, file: str, line: int, repairs: Sequence[str] = ()) -> None:
        """Begin the record at ``line`` (from 1) of ``file``; ``repairs`` is what was mended while reading the line."""
        if self._open:
            raise ContractError(f"the record at {self.file}:{self.line} was neither kept nor dropped")
        self.read += 1
        self.file, self.line = file, line
        self._repairs = list(repairs)
        self._open = True

    def again(self) -> None:
        """Begin another record on the line of the last one."""
        self.start(self.file, self.line)

    def repair(self, cause: str) -> None:
        """Note that the present record was mended; it counts once it is kept."""
        self._repairs.append(cause)

    def keep(self) -> bool:
        """End the present record as kept; return whether it was mended."""
        self._close()
        self.kept += 1
        for cause in self._repairs:
            self._count(cause, self.file, self.line)
        self.repaired += bool(self._repairs)
        return bool(self._repairs)

    def drop(self, cause: str) -> None:
        """End the present record as dropped. ``cause`` is a fixed text: it is what drops are counted by."""
        self._close()
        self.dropped += 1
        self._count(cause, self.file, self.line)

    def lost(self, file: str, line: int, cause: str) -> None:
        """Count one record that could not even be read."""
        self.start(file, line)
        self.drop(cause)

    def take_back(self, cause: str, places: Iterable[tuple[str, int]], count: int, repaired: int) -> None:
        """Turn ``count`` kept records, ``repaired`` of them mended, into dropped ones; ``places`` may name a few."""
        if not count:
            return
        self.kept -= count
        self.repaired -= repaired
        self.dropped += count
        self.reasons[cause] += count
        for file, line in places:
            self._sample(cause, file, line)

    def freeze(self) -> DropReport:
        """Return the counts so far."""
        if self._open:
            raise ContractError(f"the record at {self.file}:{self.line} was neither kept nor dropped")
        return DropReport(
            self.read, self.kept, self.repaired, self.dropped,
            dict(self.reasons.most_common()), tuple(self.samples),
        )  # fmt: skip

    def _close(self) -> None:
        if not self._open:
            raise ContractError("no record is open: call start first")
        self._open = False

    def _count(self, cause: str, file: str, line: int) -> None:
        self.reasons[cause] += 1
        self._sample(cause, file, line)

    def _sample(self, cause: str, file: str, line: int) -> None:
        if self._shown[cause] < SAMPLES_PER_REASON and len(self.samples) < MAX_SAMPLES:
            self._shown[cause] += 1
            self.samples.append(f"{file}:{line}: {cause}")
