"""Simulated visits against what is known of them, and A/B tests whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.candidates.popularity import Popularity
from recsys.config import EngineConfig
from recsys.data.shop import Shop, make_shop
from recsys.engine import Engine
from recsys.errors import ConfigError
from recsys.eval.ab import METRICS, ab, alignment, differences
from recsys.eval.arms import Arm, Course, run
from recsys.eval.simulate import Habits, Luck, Wants, expected, visit
from recsys.registry import Registry
from recsys.types import KIND_CODES, NO_EVENTS, Events

HABITS = Habits()


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(3, 250)


@pytest.fixture(scope="module")
def engine(shop: Shop) -> Engine:
    """Variants of one generator each; "loved" shows what people truly like most on average, "loathed" the contrary."""
    mean = shop.truth.utility(np.arange(shop.dataset.log.n_users)).mean(axis=0)

    class Loved(Popularity):
        def item_scores(self) -> Any:
            return np.exp(mean)

    class Loathed(Popularity):
        def item_scores(self) -> Any:
            return np.exp(-mean)

    registry = Registry()
    registry.register("candidates", "loved", Loved)
    registry.register("candidates", "loathed", Loathed)
    uses = {n: {"use": n} for n in ("popularity", "loved", "loathed", "item-knn")}
    uses["lately"] = {"use": "popularity", "half_life_days": 30.0}
    config = EngineConfig.of({
        "candidates": {n: {"n": 60, **use} for n, use in uses.items()},
        "variants": {n: {"candidates": [n]} for n in uses}, "variant": "popularity",
    })  # fmt: skip
    return Engine(config, registry=registry).fit(shop.dataset)


@pytest.fixture(scope="module")
def now(shop: Shop) -> int:
    return int(shop.dataset.log.events.times.max()) + 1


def wants(b: int = 3, k: int = 20, look: float = 0.5, click: float = 0.2, buy: float = 0.5) -> Wants:
    def full(value: float) -> Any:
        return np.full((b, k), value)

    return Wants(full(look), full(click), full(buy), full(1.0), full(0.5))


def items(b: int = 3, k: int = 20) -> Any:
    return np.tile(np.arange(k, dtype=np.int32), (b, 1))


# -- one visit -------------------------------------------------------------------------------------------------------


def test_nobody_leaves_unless_bored():
    stays = expected(wants(), Habits(boredom=0))
    assert stays.there.tolist() == np.ones((3, 20)).tolist()
    assert stays.sums(wants())["clicks"] == pytest.approx([20 * 0.5 * 0.2] * 3)
    gone = expected(wants(look=1, click=0), Habits(boredom=1))
    assert gone.sums(wants())["looks"].tolist() == [1, 1, 1]


def test_the_chance_to_stay_by_hand():
    mean = expected(wants(look=0.5, click=0.2), Habits(boredom=0.25))
    assert mean.there[0, :3] == pytest.approx([1, 0.9, 0.81])  # 1 - 0.5 * 0.8 * 0.25
    assert mean.bought[0, 1] == pytest.approx(0.9 * 0.5 * 0.2 * 0.5)


def test_many_visits_come_to_what_is_expected():
    rng = np.random.default_rng(0)
    b, k = 20_000, 20
    one = Wants(*(np.tile(rng.random((1, k)), (b, 1)) for _ in range(5)))
    what = visit(one, items(b, k), HABITS, Luck.of((1,), b, k, k)).sums(one)
    mean = expected(one, HABITS).sums(one)
    for name, values in what.items():
        error = values.std() / b**0.5
        assert abs(values.mean() - mean[name].mean()) < 4 * error, name


def test_what_is_not_looked_at_is_not_clicked_and_what_is_not_clicked_not_bought():
    one = wants(500)
    what = visit(one, items(500), Habits(boredom=0.5), Luck.of((2,), 500, 20, 20))
    assert (what.there[:, 1:] <= what.there[:, :-1]).all()
    assert (what.bought <= what.clicked).all()
    assert (what.clicked <= what.looked).all()
    assert (what.looked <= what.there).all()
    assert what.bought.any()


def test_luck_goes_with_the_item_into_another_list():
    one, luck = wants(40, look=1, click=0.3), Luck.of((3,), 40, 20, 20)
    keen = Habits(boredom=0)
    plain = visit(one, items(40), keen, luck).clicked
    turned = visit(one, items(40)[:, ::-1], keen, luck).clicked
    assert np.array_equal(plain, turned[:, ::-1])


# -- what the shop knows ---------------------------------------------------------------------------------------------


def test_lists_are_wanted_as_the_shop_says(shop: Shop, now: int):
    users, rows = np.array([4, 9]), np.array([[5, 6, -1], [7, 8, 9]], dtype=np.int32)
    found = Wants.of(shop, users, rows, [NO_EVENTS, NO_EVENTS], now, Habits(page=2))
    assert found.look.tolist() == [[1, pytest.approx(1 / 1.3), 0], [1, pytest.approx(1 / 1.3), 1]]
    assert found.click[0, 2] == 0
    assert (found.click[found.look > 0] >= 0.03).all()  # a few clicks have no reason
    utility = shop.truth.utility(users)
    assert found.tastes[0, 0] == pytest.approx((utility[0] < utility[0, 5]).mean())
    assert found.grades.tolist() == shop.truth.gains(users, rows).tolist()


def test_who_likes_an_item_clicks_and_buys_it_more_and_nobody_twice(shop: Shop, now: int):
    users = np.arange(100)
    order = np.argsort(-shop.truth.utility(users), axis=1).astype(np.int32)
    lists = np.column_stack([order[:, :5], order[:, -5:]])
    click = shop.truth.click_chances(users, lists, [NO_EVENTS] * 100, now)
    buy = shop.truth.purchase_chances(users, lists)
    assert click[:, :5].mean() > 3 * click[:, 5:].mean()
    assert (buy[:, :5].min(axis=1) > buy[:, 5:].max(axis=1)).all()
    bought = [Events.of([row[0]], times=[now], kinds=[KIND_CODES["purchase"]]) for row in lists]
    again = shop.truth.click_chances(users, lists, bought, now)
    assert (again[:, 0] == 0).all()
    assert (again[:, 5:] > 0).mean() > 0.9


def test_a_purchase_makes_its_complements_tempting(shop: Shop, now: int):
    user, item = np.array([0]), 11
    lists = shop.truth.complements[[item]]
    had = [Events.of([item], times=[now], kinds=[KIND_CODES["purchase"]])]
    before = shop.truth.click_chances(user, lists, [NO_EVENTS], now)
    assert (shop.truth.click_chances(user, lists, had, now) >= before).all()
    assert shop.truth.click_chances(user, lists, had, now)[0, 0] > before[0, 0] + 0.2


# -- A/B -------------------------------------------------------------------------------------------------------------


def test_equal_arms_with_the_same_luck_do_not_differ_at_all(shop: Shop, engine: Engine, now: int):
    found = ab(shop, Arm("one", engine), Arm("other", engine, "popularity"), now=now, shoppers=120)
    for one in found["metrics"].values():
        assert (one["difference"], one["p"], one["verdict"]) == (0, 1, "none")
        assert one["truth"]["difference"] == 0
    assert found["alignment"]["a"] == found["alignment"]["b"]


def test_equal_arms_with_luck_of_their_own_differ_by_chance_alone(shop: Shop, engine: Engine, now: int):
    """About 5 % of tests may say p < .05; the intervals hold the truth, which is 0, in about 95 %."""
    arm, users = Arm("same", engine), np.arange(100)
    rows = arm.lists(shop, users.tolist(), HABITS.depth, now)
    one = Wants.of(shop, users, rows, [shop.dataset.log.history(int(u)) for u in users], now, HABITS)
    alarms, covered, found = [], [], []
    for seed in range(20):
        courses = []
        for side in (0, 1):
            luck = Luck.of((seed, side), *rows.shape, len(shop.dataset.items))
            course = Course()
            course.add(visit(one, rows, HABITS, luck), expected(one, HABITS), one)
            courses.append(course)
        for d in differences(*courses, seed=seed).values():
            assert d.effect.wins > 0 < d.effect.losses  # luck of its own is no empty word
            alarms.append(d.p < 0.05)
            covered.append(d.covered)
            found.append(d.verdict)
    assert np.mean(alarms) <= 0.15
    assert np.mean(covered) >= 0.85
    assert set(found) <= {"none", "false alarm"}


@pytest.mark.parametrize("independent", [False, True])
def test_a_clearly_better_arm_is_found(shop: Shop, engine: Engine, now: int, independent: bool):
    worse, better = Arm("worse", engine, "loathed"), Arm("better", engine, "loved")
    found = ab(shop, worse, better, now=now, shoppers=250, independent=independent)
    clicks = found["metrics"]["click_rate"]
    assert (clicks["verdict"], clicks["covered"]) == ("found", True)
    assert clicks["truth"]["difference"] > max(0.01, clicks["detectable"])
    assert found["metrics"]["purchases"]["verdict"] == "found"
    turned = ab(shop, better, worse, now=now, shoppers=250, independent=independent)
    assert turned["metrics"]["click_rate"]["truth"]["difference"] == pytest.approx(-clicks["truth"]["difference"])
    assert turned["metrics"]["click_rate"]["verdict"] == "found"


def test_the_same_luck_makes_a_narrower_interval(shop: Shop, engine: Engine, now: int):
    arms = Arm("popularity", engine, "popularity"), Arm("lately", engine, "lately")
    widths = []
    for independent in (False, True):
        low, high = ab(shop, *arms, now=now, shoppers=250, independent=independent)["metrics"]["purchases"]["ci95"]
        widths.append(high - low)
    assert widths[0] < widths[1]


def test_choices_follow_tastes_and_the_report_says_so(shop: Shop, engine: Engine, now: int):
    found = ab(shop, Arm("a", engine), Arm("b", engine, "item-knn"), now=now, shoppers=250)
    for side in ("a", "b"):
        one = found["alignment"][side]
        assert one["chosen"] > one["passed"]
        assert 0.6 < one["auc"] < 1
    first = found["grade@10"]
    assert 0 <= first["a"] <= 3
    assert first["difference"] == pytest.approx(first["b"] - first["a"])


def test_alignment_by_hand():
    course = Course()
    who, clicked = np.array([0, 0, 0, 1, 1]), np.array([True, False, False, True, False])
    course.looked = [(who, np.array([0.5, 0.2, 0.9, 0.1, 0.3]), clicked)]
    found = alignment(course)
    assert (found.chosen, found.passed) == (pytest.approx(0.3), pytest.approx(1.4 / 3))
    assert found.auc == pytest.approx(1 / 3)
    course.looked = [(who, np.ones(5), np.zeros(5, dtype=np.bool_))]
    assert (alignment(course).chosen, alignment(course).auc) == (None, None)


def test_later_visits_go_on_where_the_last_ended(shop: Shop, engine: Engine, now: int):
    users = np.arange(60)
    size = len(shop.dataset.log)
    silent = run(Arm("a", engine), shop, users, HABITS, now=now, visits=2)
    twin = Arm("a", engine).apart(shop.dataset)
    told = run(twin, shop, users, HABITS, now=now, visits=2, feedback=True)
    assert np.array_equal(silent.first, told.first)
    more = len(twin.engine.store.dataset().log) - size
    looks = silent.looked[0][0]
    assert more > len(looks) / 2  # impressions, clicks and purchases of the first visit
    assert len(engine.store.dataset().log) == size
    # Whoever bought is shown something else, so that the second visit is worth more than the same list again.
    assert told.happened["clicks"].sum() >= silent.happened["clicks"].sum()


def test_the_log_of_a_visit_is_in_order_and_complete(shop: Shop, engine: Engine, now: int):
    twin = Arm("a", engine).apart(shop.dataset)
    users = np.arange(80)
    course = run(twin, shop, users, HABITS, now=now, visits=2, feedback=True)
    kinds = dict.fromkeys(("impression", "click", "purchase"), 0)
    for u in users:
        history = twin.engine.store.history(shop.dataset.log.users[u])
        new = history.take(history.times >= now)
        assert (np.diff(new.times) >= 0).all()
        for name in kinds:
            kinds[name] += int((new.kinds == KIND_CODES[name]).sum())
        clicked, bought = (new.rows[new.kinds == KIND_CODES[n]] for n in ("click", "purchase"))
        assert set(bought) <= set(clicked)
    _, _, clicks = course.looked[0]
    assert kinds["click"] == int(clicks.sum())
    assert kinds["impression"] % 10 == 0
    assert kinds["impression"] >= len(clicks)


def test_what_makes_no_sense_is_refused(shop: Shop, engine: Engine, now: int):
    arm = Arm("a", engine)
    with pytest.raises(ConfigError, match="two shoppers and a visit"):
        ab(shop, arm, arm, now=now, shoppers=1)
    with pytest.raises(ConfigError, match="--visits 2 or more"):
        ab(shop, arm, arm, now=now, feedback=True)
    assert set(METRICS) == {"click_rate", "purchases", "session_length", "satisfaction"}
