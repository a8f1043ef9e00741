import gzip

import numpy as np
import pytest

from recsys.errors import DataError
from recsys.eval.metrics import target_ranks
from recsys.eval.runfile import BAD_RANK, BAD_SCORE, DUPLICATE, FIELDS, UNKNOWN_ITEM, UNKNOWN_USER, read_run, write_run
from recsys.ids import Vocabulary
from recsys.targets import Targets
from recsys.types import Slates

USERS = ["ann", "bob", "cy"]
ITEMS = Vocabulary(["i0", "i1", "i2", "i3", "i4"])
LISTS = Slates.of([[3, 1, 2], [], [0, 4]], [[0.5, 0.5, 0.25], [], [1e-7, -2.0]])


def text(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def same(a, b):
    assert a.items.tolist() == b.items.tolist()
    assert a.offsets.tolist() == b.offsets.tolist()


@pytest.mark.parametrize("name", ["a.run", "a.txt.gz", "a.csv", "a.csv.gz"])
def test_round_trip_keeps_order_and_ties(tmp_path, name):
    write_run(tmp_path / name, USERS, LISTS, ITEMS)
    run = read_run(tmp_path / name, USERS, ITEMS, strict=True)
    same(run.slates, LISTS)
    assert run.slates.scores.tolist() == [0, 0, -1, 0, -1]
    assert (run.missing, run.report.read, run.report.kept, run.report.dropped) == (1, 5, 5, 0)
    targets = Targets.of([[1], [1], [4]])
    assert target_ranks(run.slates, targets).tolist() == target_ranks(LISTS, targets).tolist() == [2, np.inf, 2]


def test_trec_layout(tmp_path):
    write_run(tmp_path / "a.run", USERS, LISTS, ITEMS, tag="mine")
    assert (tmp_path / "a.run").read_text().splitlines()[:2] == ["ann Q0 i3 1 0.5 mine", "ann Q0 i1 2 0.5 mine"]


def test_the_order_of_the_users_is_that_asked_for(tmp_path):
    write_run(tmp_path / "a.csv", USERS, LISTS, ITEMS)
    run = read_run(tmp_path / "a.csv", ["cy", "new", "ann"], ITEMS)
    assert [part.items.tolist() for part in run.slates] == [[0, 4], [], [3, 1, 2]]


def test_csv_holds_what_trec_cannot(tmp_path):
    odd = Vocabulary(['a "b", c', "d e"])
    lists = Slates.of([[0, 1]])
    write_run(tmp_path / "a.csv", ["user, one"], lists, odd)
    same(read_run(tmp_path / "a.csv", ["user, one"], odd, strict=True).slates, lists)
    with pytest.raises(DataError, match="has white space"):
        write_run(tmp_path / "a.run", ["u"], lists, odd)
    with pytest.raises(DataError, match="line break"):
        write_run(tmp_path / "b.csv", ["u\nv"], lists, odd)


def test_padding_is_left_out_and_nan_comes_last(tmp_path):
    lists = Slates.of([[3, -1, 2, 1], [0]], [[2.0, 1.0, np.nan, np.nan], [np.nan]])
    write_run(tmp_path / "a.csv", ["u", "v"], lists, ITEMS)
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "user,item,rank,score", "u,i3,1,2", "u,i2,2,1", "u,i1,3,1", "v,i0,1,-1",
    ]  # fmt: skip


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="one distinct user a list: 2 users for 3"):
        write_run(tmp_path / "a.run", ["a", "b"], LISTS, ITEMS)
    with pytest.raises(DataError, match="one distinct user a list"):
        write_run(tmp_path / "a.run", ["a", "b", "a"], LISTS, ITEMS)
    with pytest.raises(DataError, match="infinite"):
        write_run(tmp_path / "a.run", ["u"], Slates.of([[1]], [[np.inf]]), ITEMS)
    with pytest.raises(DataError, match="white space"):
        write_run(tmp_path / "a.run", USERS, LISTS, ITEMS, tag="my run")


def test_score_orders_and_rank_does_not(tmp_path):
    path = text(tmp_path / "a.run", "ann Q0 i1 1 0.1 x", "ann Q0 i2 2 0.9 x", "ann\tQ0\ti3\t0\t1e3\tx")
    assert read_run(path, ["ann"], ITEMS).slates.items.tolist() == [3, 2, 1]


def test_scores_that_float32_would_merge_stay_apart(tmp_path):
    path = text(tmp_path / "a.run", "ann Q0 i1 1 0.1234567891 x", "ann Q0 i2 2 0.1234567890 x", "ann Q0 i3 3 -1e300 x")
    assert target_ranks(read_run(path, ["ann"], ITEMS).slates, Targets.of([[1, 2, 3]])).tolist() == [1, 2, 3]


def test_csv_by_rank_alone_in_any_column_order(tmp_path):
    path = text(tmp_path / "a.csv", "rank, Item ,USER,extra", "2,i4,ann,x", "1,i0,ann,y", "1,i1,ann,z")
    run = read_run(path, ["ann"], ITEMS)
    assert run.slates.items.tolist() == [0, 1, 4]
    assert target_ranks(run.slates, Targets.of([[0, 1, 4]])).tolist() == [2, 2, 3]


def test_unknown_items_hold_their_place(tmp_path):
    path = text(tmp_path / "a.csv", "user,item,score", "ann,alien,3", "ann,other,2", "ann,i2,1")
    run = read_run(path, ["ann"], ITEMS)
    assert run.slates.items.tolist() == [-1, -1, 2]
    assert target_ranks(run.slates, Targets.of([[2]])).tolist() == [3]
    assert (run.report.kept, run.report.repaired, run.report.reasons) == (3, 2, {UNKNOWN_ITEM: 2})


def test_dirt_is_dropped_counted_and_named(tmp_path):
    path = text(
        tmp_path / "dirty.run",
        "ann Q0 i1 1 0.5 x",
        "ann Q0 i2 2 x",
        "ann Q0 i2 two 0.4 x",
        "ann Q0 i2 2 nan x",
        "",
        "ann Q0 i2 2 much x",
        "zoe Q0 i1 1 0.5 x",
        "ann Q0 i1 9 0.9 x",
        "ann Q0 i3 3 0.7 x",
        "ann Q0 i4 999999999999999 0.7 x",
    )
    run = read_run(path, ["ann"], ITEMS)
    # The second line of i1 has the better score: it counts.
    assert run.slates.items.tolist() == [1, 3]
    report = run.report
    assert report.reasons == {FIELDS: 1, BAD_RANK: 2, BAD_SCORE: 2, UNKNOWN_USER: 1, DUPLICATE: 1}
    assert (report.read, report.kept, report.dropped) == (9, 2, 7)
    assert f"dirty.run:2: {FIELDS}" in report.samples
    assert f"dirty.run:6: {BAD_SCORE}" in report.samples


def test_strict_names_the_first_bad_line(tmp_path):
    path = text(tmp_path / "a.csv", "user,item,rank,score", "ann,i1,1,0.5", "ann,i2,2", "ann,i3,x,0.1")
    with pytest.raises(DataError, match=f"a.csv:3: {FIELDS}"):
        read_run(path, ["ann"], ITEMS, strict=True)
    path = text(tmp_path / "b.csv", "user,item,rank", "ann,i1,1", "ann,i1,oops")
    with pytest.raises(DataError, match=f"b.csv:3: {BAD_RANK}"):
        read_run(path, ["ann"], ITEMS, strict=True)


def test_an_open_quote_costs_one_line(tmp_path):
    path = text(tmp_path / "a.csv", "user,item,score", 'ann,"i1,2', "ann,i2,1", f'ann,"{"x" * 200_000}",1')
    run = read_run(path, ["ann"], ITEMS)
    assert run.slates.items.tolist() == [2]
    assert run.report.dropped == 2


@pytest.mark.parametrize("header", ["", "user,rank,score", "user,item", "1,i2,0.5"])
def test_a_csv_without_its_columns_is_refused(tmp_path, header):
    with pytest.raises(DataError, match=r"a\.csv:1: the first line must name"):
        read_run(text(tmp_path / "a.csv", header), ["ann"], ITEMS)


def test_a_truncated_file_gives_what_it_has(tmp_path):
    users = [f"u{i}" for i in range(3000)]
    path = tmp_path / "a.run.gz"
    rng = np.random.default_rng(0)
    write_run(path, users, Slates.of([[1, 2]] * 3000, np.sort(rng.random((3000, 2)))[:, ::-1]), ITEMS)
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 6000
    path.write_bytes(path.read_bytes()[:-2000])
    run = read_run(path, users, ITEMS)
    assert 0 < run.report.kept < 6000
    assert run.report.dropped == 1
    with pytest.raises(DataError, match=r"a\.run\.gz:"):
        read_run(path, users, ITEMS, strict=True)


def test_empty_and_missing_files(tmp_path):
    run = read_run(text(tmp_path / "a.run", ""), USERS, ITEMS)
    assert (len(run.slates), run.missing) == (3, 3)
    with pytest.raises(DataError):
        read_run(tmp_path / "none.run", USERS, ITEMS)
