from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.splits import SPLITS, Fold, Split, chosen, explicit, global_time, leave_one_out, split
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.types import KIND_CODES, KINDS, Event, Events, Item

LETTERS = "abcdefghijkl"
ITEMS = [Item(item_id=i) for i in LETTERS]


def log(*steps: str):
    """One shopper a line: "a b! (c) d?" = chose a, disliked b, looked at c, rated d 1 of 5; "@7" sets the next time."""
    events = []
    for user, line in enumerate(steps):
        time = 0
        for word in line.split():
            if word[0] == "@":
                time = int(word[1:])
                continue
            kind = {"!": "dislike", ")": "view", "?": "rating", "-": "return"}.get(word[-1], "purchase")
            events.append(Event(user_id=f"user-{user}", item_id=word.strip("()!?-"), kind=kind, time=time))
            time += 1
    return Dataset.of(ITEMS, events).log


def text(fold: Fold) -> dict[str, str]:
    """user -> "history > targets" of every request."""
    out = {}
    for i in range(len(fold)):
        history = fold.history.history(int(fold.users[i])).rows
        targets = fold.targets.rows[fold.targets.offsets[i] : fold.targets.offsets[i + 1]]
        out[fold.history.users[fold.users[i]]] = " > ".join(
            "".join(LETTERS[r] for r in rows) for rows in (history, targets)
        )
    return out


def fitted(fold: Fold) -> list[str]:
    return ["".join(LETTERS[r] for r in fold.fit.history(u).rows) for u in range(fold.fit.n_users)]


def test_kinds_of_choices():
    events = Events.of(range(len(KINDS)), kinds=range(len(KINDS)), weights=[1] * len(KINDS))
    looks = {"view", "click", "cart", "remove-from-cart", "impression", "forget"}
    assert {KINDS[i] for i in np.flatnonzero(~explicit(events))} == looks
    taken_back = Events.of(
        [0, 1, 2], kinds=[KIND_CODES[k] for k in ("purchase", "dislike", "purchase")], weights=[1, -1, 0]
    )
    assert chosen(taken_back).tolist() == [True, False, False]


def test_leave_one_out_exactly():
    folds = leave_one_out(log("a b c d e", "f a"))
    assert text(folds.test) == {"user-0": "abcd > e", "user-1": "f > a"}
    assert text(folds.valid) == {"user-0": "abc > d"}
    assert text(folds.rank) == {"user-0": "ab > c"}
    assert fitted(folds.test) == fitted(folds.valid) == ["abc", ""]
    assert fitted(folds.rank) == ["ab", ""]
    # Refit regime: everything before the target is learned from.
    assert text(folds.refit) == text(folds.test)
    assert fitted(folds.refit) == ["abcd", "f"]
    assert text(folds.refit_rank) == text(folds.valid)
    assert fitted(folds.refit_rank) == ["abc", ""]
    assert folds.test.now.tolist() == [4, 1]


def test_the_visit_that_led_to_a_target_is_not_in_the_history():
    folds = leave_one_out(log("a (b) b (c) (d) c (e) (a)"))
    assert text(folds.test) == {"user-0": "abb > c"}
    assert text(folds.valid) == {"user-0": "a > b"}
    assert text(folds.rank) == {}  # the first choice has nothing before it
    assert fitted(folds.test) == ["a"]


def test_dislikes_are_history_but_never_targets():
    folds = leave_one_out(log("a b! c d! e!", "a b! c d", "a b? c?"))
    assert text(folds.test) == {"user-0": "a > c", "user-1": "abc > d"}
    assert text(folds.valid) == {"user-1": "a > c"}
    assert fitted(folds.refit) == ["a", "abc", ""]


def test_what_was_returned_is_no_target():
    assert text(leave_one_out(log("a b c c-")).test) == {"user-0": "a > b"}


def test_repeats_count_each_time():
    folds = leave_one_out(log("a b a a"))
    assert text(folds.test) == {"user-0": "aba > a"}
    assert text(folds.valid) == {"user-0": "ab > a"}


def test_short_shoppers_are_left_out_of_that_fold_only():
    folds = leave_one_out(log("a", "a b", "a b c", "(a) (b)", "a!"))
    assert list(text(folds.test)) == ["user-1", "user-2"]
    assert list(text(folds.valid)) == ["user-2"]
    assert list(text(folds.rank)) == []
    assert folds.test.fit.n_users == 5  # everybody keeps a place, perhaps without events


def test_an_empty_log_has_empty_folds():
    folds = leave_one_out(Dataset.of(ITEMS, []).log)
    assert [len(f) for f in (folds.rank, folds.valid, folds.test, folds.refit_rank, folds.refit)] == [0] * 5


@st.composite
def logs(draw: st.DrawFn):
    kinds = st.sampled_from(["purchase", "view", "dislike", "return", "rating", "cart", "impression"])
    one = st.tuples(st.integers(0, 5), st.integers(0, 11), kinds, st.integers(0, 40), st.integers(1, 5))
    events = draw(st.lists(one, min_size=1, max_size=60))
    return Dataset.of(
        ITEMS,
        [Event(user_id=f"user-{u}", item_id=LETTERS[i], kind=kind, time=time, value=float(value))
         for u, i, kind, time, value in events],
    ).log  # fmt: skip


def folds_of(folds: Split) -> list[Fold]:
    return [folds.rank, folds.valid, folds.test, folds.refit_rank, folds.refit]


@given(logs())
@settings(max_examples=80, deadline=None)
def test_leave_one_out_never_shows_what_comes_later(log):
    for fold in folds_of(leave_one_out(log)):
        assert (fold.targets.counts == 1).all()
        for i, user in enumerate(fold.users.tolist()):
            whole, shown = log.history(user), fold.history.history(user)
            n = len(shown)
            assert np.array_equal(shown.rows, whole.rows[:n])
            assert chosen(whole)[n - 1]  # it ends with a choice
            after = np.flatnonzero(chosen(whole)[n:])
            assert whole.rows[n + after[0]] == fold.targets.rows[i]
            assert len(fold.fit.history(user)) <= n
            assert shown.times[-1] <= fold.now[i]


def periods(log) -> Split | None:
    try:
        return global_time(log, (0.4, 0.6, 0.8))
    except DataError:
        return None


@given(logs())
@settings(max_examples=150, deadline=None)
def test_by_time_nobodys_future_is_in_anybodys_past(log):
    folds = periods(log)
    if folds is None:
        return
    for fold in folds_of(folds):
        moment = int(fold.now[0]) if len(fold) else None
        for part in (fold.fit, fold.history):
            assert moment is None or (part.events.times < moment).all()
        assert len(np.unique(fold.users)) == len(fold.users)
        for i, user in enumerate(fold.users.tolist()):
            targets = fold.targets.rows[fold.targets.offsets[i] : fold.targets.offsets[i + 1]].tolist()
            whole = log.history(user)
            later = set(whole.rows[chosen(whole) & (whole.times >= moment)].tolist())
            assert len(set(targets)) == len(targets) > 0
            assert set(targets) <= later
            assert len(fold.history.history(user)) == int((whole.times < moment).sum())
    assert folds.rank.now[:1] <= folds.valid.now[:1] <= folds.test.now[:1]
    # Each chosen item of the test period is a target of its shopper, once.
    begin = int(folds.test.now[0])
    wanted = {
        (u, r) for u in range(log.n_users) for r in log.history(u).take(_late(log.history(u), begin)).rows.tolist()
    }
    owner = folds.test.users[folds.test.targets.owner].tolist()
    assert set(zip(owner, folds.test.targets.rows.tolist(), strict=True)) == wanted


def _late(history: Events, begin: int):
    return chosen(history) & (history.times >= begin)


def test_by_time_exactly():
    folds = global_time(log("a b c d e f g h i j", "@8 k k (l) l", "@2 a"), (0.5, 0.7, 0.8))
    # Choices in time order: 0 1 2 2 3 4 5 | 6 7 | 8 8 | 9 9 11; ranks are cut at places 7, 9 and 11.
    assert [f.now[:1].tolist() for f in (folds.rank, folds.valid, folds.test)] == [[6], [8], [9]]
    assert text(folds.rank) == {"user-0": "abcdef > gh"}
    assert text(folds.valid) == {"user-0": "abcdefgh > i", "user-1": " > k"}
    assert text(folds.test) == {"user-0": "abcdefghi > j", "user-1": "k > kl"}
    assert fitted(folds.test) == fitted(folds.valid) == ["abcdefgh", "", "a"]
    assert fitted(folds.refit) == ["abcdefghi", "k", "a"]
    assert fitted(folds.refit_rank) == ["abcdefgh", "", "a"]


def test_strangers_count():
    folds = global_time(log("a b c d e f g h i j", "@9 k"))
    assert text(folds.test)["user-1"] == " > k"


def test_by_time_needs_time_and_choices():
    with pytest.raises(DataError, match=r"too few moments .*leave-one-out"):
        global_time(log("@5 a", "@5 b", "@5 c"))
    with pytest.raises(DataError, match="no chosen events"):
        global_time(log("(a) (b) c!"))


def test_sample_draws_requests_and_their_targets():
    whole = leave_one_out(log(*(f"a {LETTERS[1 + u]} {LETTERS[2 + u]}" for u in range(9)))).test
    part = whole.sample(4, seed=1)
    assert len(part) == 4
    assert text(part).items() <= text(whole).items()
    assert text(whole.sample(4, seed=1)) == text(part)
    assert text(whole.sample(4, seed=2)) != text(part)
    assert (np.diff(part.users) > 0).all()
    assert whole.sample(9) is whole


def test_split_by_name():
    one = log("a b c d e f g h")
    assert set(SPLITS) == {"leave-one-out", "global-time"}
    for name in SPLITS:
        assert split(one, name).name == name
    with pytest.raises(ConfigError, match="split must be one of leave-one-out, global-time; got 'random'"):
        split(one, "random")


def test_an_opinion_about_what_was_bought_is_no_choice():
    events = [
        Event(user_id="one", item_id="a", kind="purchase", time=1),
        Event(user_id="one", item_id="b", kind="like", time=2),
        Event(user_id="one", item_id="a", kind="rating", value=5, time=3),
        Event(user_id="two", item_id="a", kind="rating", value=5, time=1),
        Event(user_id="two", item_id="a", kind="purchase", time=2),
    ]  # fmt: skip
    one = Dataset.of(ITEMS, events).log
    assert chosen(one.events, one.owner).tolist() == [True, True, False, True, True]
    assert chosen(one.history(0)).tolist() == [True, True, False]
    assert text(leave_one_out(one).test) == {"one": "a > b", "two": "a > a"}


def test_impressions_on_the_way_to_a_target_are_for_training_alone():
    events = [
        Event(user_id="one", item_id=item, kind=kind, time=time, position=position)
        for time, (item, kind, position) in enumerate(
            [("a", "purchase", None), ("c", "impression", 1), ("b", "impression", 2), ("b", "purchase", 2),
             ("d", "impression", 1), ("e", "purchase", 3)]
        )
    ]  # fmt: skip
    folds = leave_one_out(Dataset.of(ITEMS, events).log)
    assert text(folds.valid) == {"one": "a > b"}
    shown = folds.valid.shown.history(0)
    assert shown.rows.tolist() == [2, 1]
    assert shown.positions.tolist() == [1, 2]
    assert folds.valid.sample(1).shown is folds.valid.shown


def test_a_return_after_the_cut_takes_nothing_back_before_it() -> None:
    kinds = ["purchase", "purchase", "purchase", "return", "purchase", "purchase"]
    rows = [0, 4, 1, 0, 2, 3]
    items = [Item(item_id=f"i{i}") for i in range(5)]
    pairs = enumerate(zip(rows, kinds, strict=True))
    events = [Event(user_id="u", item_id=f"i{r}", kind=k, time=100 + t) for t, (r, k) in pairs]
    folds = leave_one_out(Dataset.of(items, events).log)
    assert folds.test.history.history(0).weights.tolist() == [0, 1, 1, -1, 1]  # bought and returned by then
    # When i1 was chosen, the first purchase had not come back yet.
    early = folds.rank.history.history(0)
    assert early.rows.tolist() == [0, 4]
    assert early.weights.tolist() == [1, 1]
    assert folds.rank.fit.events.weights.tolist() == [1, 1]
