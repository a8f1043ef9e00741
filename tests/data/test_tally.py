from __future__ import annotations

import pytest

from recsys.data.report import SAMPLES_PER_REASON, Tally
from recsys.errors import ContractError


def test_counts_add_up_and_repairs_count_only_when_kept() -> None:
    tally = Tally()
    tally.start("a", 1)
    assert tally.keep() is False
    tally.start("a", 2, ("mended",))
    tally.repair("mended again")
    assert tally.keep() is True
    tally.start("a", 3, ("mended",))
    tally.drop("broken")
    tally.lost("a", 4, "too long")
    report = tally.freeze()
    assert (report.read, report.kept, report.repaired, report.dropped) == (4, 2, 1, 2)
    assert report.reasons == {"mended": 1, "mended again": 1, "broken": 1, "too long": 1}
    assert "a:3: broken" in report.samples
    assert "a:4: too long" in report.samples


def test_take_back_moves_kept_to_dropped() -> None:
    tally = Tally()
    for line in range(1, 5):
        tally.start("f", line, ("mended",) if line == 2 else ())
        tally.keep()
    tally.take_back("duplicate", [("f", 2), ("f", 3)], 2, 1)
    tally.take_back("nothing", [], 0, 0)
    report = tally.freeze()
    assert (report.read, report.kept, report.repaired, report.dropped) == (4, 2, 0, 2)
    assert "f:2: duplicate" in report.samples
    assert "nothing" not in report.reasons


def test_several_records_on_one_line() -> None:
    tally = Tally()
    tally.start("f", 7, ("mended",))
    tally.keep()
    tally.again()
    tally.drop("bad")
    assert tally.freeze().samples == ("f:7: mended", "f:7: bad")
    assert tally.freeze().repaired == 1


def test_samples_are_few() -> None:
    tally = Tally()
    for line in range(100):
        tally.lost("f", line, "bad")
    assert len(tally.freeze().samples) == SAMPLES_PER_REASON
    for cause in range(100):
        tally.lost("f", cause, f"cause {cause}")
    assert len(tally.freeze().samples) == 40


def test_a_record_left_open_is_a_bug_that_shows() -> None:
    tally = Tally()
    with pytest.raises(ContractError, match="no record"):
        tally.keep()
    tally.start("f", 1)
    with pytest.raises(ContractError, match="f:1"):
        tally.start("f", 2)
    with pytest.raises(ContractError, match="f:1"):
        tally.freeze()
