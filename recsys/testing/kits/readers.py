"""Checks for `recsys.protocols.Reader`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import DropReport, Reader
from recsys.testing.kits.base import Make


class ReaderTests:
    """A reader reads what its users download. Beside ``component`` a subclass gives the fixture ``place``.

    ``place`` is the place (as ``read`` takes it) of a small, clean sample. The fixture ``dirty`` may be overridden
    with the place of a sample that has broken lines among good ones.
    """

    @pytest.fixture
    def dirty(self) -> str | None:
        """The place of a broken sample; None where the format has none."""
        return None

    def test_reader_has_its_protocol(self, component: Make) -> None:
        """The method is there."""
        assert isinstance(component(), Reader)

    def test_read_gives_a_dataset_and_a_report(self, component: Make, place: str) -> None:
        """A Dataset with items and events, and a DropReport."""
        data, report = component().read(place)
        assert isinstance(data, Dataset)
        assert isinstance(report, DropReport)
        assert len(data.items) > 0
        assert len(data.log) > 0

    def test_read_adds_up(self, component: Make, place: str, dirty: str | None) -> None:
        """read == kept + dropped, and repaired ones are among the kept."""
        for one in [place, *([dirty] if dirty else [])]:
            _, report = component().read(one)
            assert report.read == report.kept + report.dropped, report
            assert 0 <= report.repaired <= report.kept, report
            assert report.read > 0

    def test_read_log_is_sound(self, component: Make, place: str, dirty: str | None) -> None:
        """Every event has an item, each shopper's events are in time order, nobody occurs twice."""
        for one in [place, *([dirty] if dirty else [])]:
            data, _ = component().read(one)
            rows = data.log.events.rows
            assert rows.dtype == np.int32
            assert (rows >= 0).all()
            assert (rows < len(data.items)).all()
            assert len(set(data.log.users)) == data.log.n_users
            for u in range(data.log.n_users):
                assert (np.diff(data.log.history(u).times) >= 0).all()

    def test_read_ids_are_text(self, component: Make, place: str) -> None:
        """Item and shopper ids are non-empty strings."""
        data, _ = component().read(place)
        assert all(isinstance(value, str) and value for value in [*data.items.ids, *data.log.users])

    def test_read_twice_gives_the_same(self, component: Make, place: str) -> None:
        """The second reading is the first."""
        (a, first), (b, second) = component().read(place), component().read(place)
        assert first == second
        assert a.items.ids == b.items.ids
        assert a.items.titles == b.items.titles
        assert a.log.users == b.log.users
        assert np.array_equal(a.log.events.rows, b.log.events.rows)
        assert np.array_equal(a.log.events.times, b.log.events.times)

    def test_read_of_nowhere_is_refused(self, component: Make, tmp_path: Path) -> None:
        """A place that does not exist is a DataError that names it."""
        with pytest.raises(DataError, match="nowhere-at-all"):
            component().read(str(tmp_path / "nowhere-at-all"))

    def test_read_survives_dirt(self, component: Make, dirty: str | None) -> None:
        """Broken lines are dropped, counted by cause and named; good ones are kept."""
        if dirty is None:
            return
        data, report = component().read(dirty)
        assert len(data.log) > 0
        assert report.dropped > 0
        assert sum(report.reasons.values()) >= report.dropped
        assert any(":" in sample and any(c.isdigit() for c in sample) for sample in report.samples), report.samples
