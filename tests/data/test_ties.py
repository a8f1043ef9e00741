import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.altered import altered, full_name, remarks
from recsys.data.splits import chosen, leave_one_out
from recsys.data.ties import tied, with_shuffled_ties
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.eval.evaluate import evaluate
from recsys.types import KIND_CODES, Event, Item

DAY = 86_400


def shop(acts, name="days"):
    """Acts are (user, item, day, kind)."""
    events = [Event(user_id=u, item_id=i, time=1_700_000_000 + d * DAY, kind=k) for u, i, d, k in acts]
    return Dataset.of([Item(item_id=f"i{n}", title=f"thing {n}") for n in range(12)], events, name=name)


def by_file(shoppers=60):
    """Two days of three purchases each; the file sorts a day by item: i0 i1 i2, then i3 i4 i5 (or i6 to i11)."""
    return shop([
        (f"u{u}", f"i{6 * (u % 2) + n}", n // 3, "purchase") for u in range(shoppers) for n in range(6)
    ])  # fmt: skip


def test_only_what_is_tied_moves():
    plain = by_file()
    mixed = with_shuffled_ties(plain, seed=1)
    assert mixed.log.users == plain.log.users
    assert mixed.log.offsets.tolist() == plain.log.offsets.tolist()
    assert mixed.log.events.times.tolist() == plain.log.events.times.tolist()
    days = [(plain.log.events.rows.reshape(-1, 3), mixed.log.events.rows.reshape(-1, 3))]
    assert all(np.array_equal(np.sort(a, axis=1), np.sort(b, axis=1)) for a, b in days)
    orders, counts = np.unique(mixed.log.events.rows.reshape(-1, 3) % 3, axis=0, return_counts=True)
    assert len(orders) == 6  # all orders of three, about equally often
    assert counts.min() > 8


def test_it_follows_the_seed():
    rows = [with_shuffled_ties(by_file(), seed=s).log.events.rows.tolist() for s in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_what_happened_to_one_item_keeps_its_order():
    acts = [(f"u{u}", f"i{i}", 0, kind) for u in range(40) for i in range(3) for kind in ("click", "purchase")]
    mixed = with_shuffled_ties(shop([*acts, *((f"u{u}", "i9", 0, "return") for u in range(40))]))
    for user in range(40):
        history = mixed.log.history(user)
        pairs = history.kinds[history.rows != 9].reshape(-1, 2)
        assert (pairs == [KIND_CODES["click"], KIND_CODES["purchase"]]).all()
    taken = shop([(f"u{u}", i, 0, k) for u in range(20) for i in ("i0", "i1") for k in ("purchase", "return")])
    assert (with_shuffled_ties(taken).log.events.weights <= 0).all()  # a return still takes its purchase back


def test_who_is_tied():
    log = shop([
        ("a", "i0", 0, "click"), ("a", "i0", 0, "purchase"), ("a", "i1", 1, "purchase"), ("a", "i2", 1, "click"),
        ("b", "i2", 1, "purchase"),
    ]).log  # fmt: skip
    assert tied(log).tolist() == [False, False, True, True, False]


def test_targets_of_a_tied_day_become_any_of_that_day():
    plain, mixed = (leave_one_out(d.log).test for d in (by_file(), with_shuffled_ties(by_file())))
    assert set(plain.targets.rows.tolist()) == {5, 11}
    assert set(mixed.targets.rows.tolist()) == {3, 4, 5, 9, 10, 11}
    assert chosen(with_shuffled_ties(by_file()).log.events).all()


def test_a_figure_that_rests_on_the_order_of_the_file_falls():
    config = EngineConfig.of(
        {"candidates": {"transitions": {}}, "variants": {"no-llm": {"candidates": ["transitions"]}}}
    )
    options = {"rows": ["transitions"], "refit": False, "latency": False}
    ring = shop([(f"u{u}", f"i{(u + n) % 12}", 0, "purchase") for u in range(240) for n in range(4)])
    figures = [evaluate(d, "leave-one-out", config, **options).results for d in (ring, with_shuffled_ties(ring))]
    plain, mixed = (f.row("transitions").metrics["mrr@10"] for f in figures)
    assert plain == 1
    assert mixed < 0.9
    assert [f.data for f in figures] == ["days", "days, ties shuffled"]
    assert "960 of 960 events share" in figures[1].notes[0]


def test_data_without_ties_or_times_say_so():
    with pytest.raises(DataError, match="has no ties"):
        with_shuffled_ties(shop([("a", "i0", 0, "purchase"), ("a", "i1", 1, "purchase")]))
    sequence = by_file()
    with pytest.raises(DataError, match="the order of events and no times"):
        with_shuffled_ties(Dataset(sequence.items, sequence.log, (), "s", {"has_times": False}))


def test_alterations_add_up():
    data = altered(altered(by_file(), "one thing", "First."), "another", "Second.")
    assert (full_name(data), remarks(data)) == ("days, one thing, another", ("First.", "Second."))
    assert data.name == "days"
