import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.search.fold import Parents, cut, fold
from recsys.types import Item, Slates

PARENTS = st.lists(st.sampled_from([None, "p", "q", "i0", "i3"]), min_size=6, max_size=6)


def table(parents: list[str | None]) -> ItemTable:
    return ItemTable.of(Item(item_id=f"i{i}", parent_id=p) for i, p in enumerate(parents))


def product(parents: list[str | None], row: int) -> str:
    own = f"i{row}"
    return parents[row] or own


@settings(deadline=None)
@given(
    PARENTS, st.lists(st.permutations(range(6)).flatmap(lambda p: st.integers(0, 6).map(lambda n: p[:n])), max_size=3)
)
def test_each_product_once_with_all_of_its_variants(parents, lists):
    lists = lists or [[]]
    slates = Slates.of(lists)
    got, below = fold(slates, Parents.of(table(parents)))
    assert len(below.offsets) == len(got.items) + 1
    for i, rows in enumerate(lists):
        seen: dict[str, list[int]] = {}
        for row in rows:
            seen.setdefault(product(parents, row), []).append(row)
        lo, hi = got.offsets[i], got.offsets[i + 1]
        assert got.items[lo:hi].tolist() == [v[0] for v in seen.values()]
        assert [below[at].tolist() for at in range(lo, hi)] == [v[1:] for v in seen.values()]
    short, under = cut(got, below, 2)
    assert short.lengths.tolist() == np.minimum(got.lengths, 2).tolist()
    assert len(under.offsets) == len(short.items) + 1


@settings(deadline=None)
@given(PARENTS, st.integers(0, 6), st.sampled_from([None, "p", "i1", "new"]))
def test_parents_of_a_changed_catalogue_are_those_of_a_new_one(parents, row, parent):
    items = table(parents)
    grown = items.put([Item(item_id=f"i{row}", parent_id=parent)])
    live = Parents.of(items).put(grown, np.array([row], np.int32))
    rows = np.arange(len(grown), dtype=np.int32)
    fresh = Parents.of(grown).of_rows(rows)
    assert same_groups(live.of_rows(rows).tolist()) == same_groups(fresh.tolist())


def same_groups(codes: list[int]) -> list[int]:
    first: dict[int, int] = {}
    return [first.setdefault(code, at) for at, code in enumerate(codes)]


def test_rows_after_the_catalogue_are_products_of_their_own():
    got, below = fold(Slates.of([[9, 0, 7]]), Parents.of(table(["p", "p", None, None, None, None])))
    assert got.items.tolist() == [9, 0, 7]
    assert len(below.codes) == 0
