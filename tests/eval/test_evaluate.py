"""The whole evaluation on a small data set whose order is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys import evaluate, settings
from recsys.config import EngineConfig
from recsys.data.splits import split
from recsys.dataset import Dataset
from recsys.errors import ConfigError
from recsys.eval.evaluate import Evaluation
from recsys.eval.needed import needed
from recsys.eval.runfile import write_run
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.settings import default_config, settings_for, slug
from recsys.tune import to_toml, tune
from recsys.types import Event, Item, Slates

SMALL: Mapping[str, Any] = {
    "candidates": {"transitions": {}, "popularity": {"n": 20}, "own-history": {}},
    "rank": {"lightgbm": {"min_data_in_leaf": 5, "max_rounds": 20, "folds": 2}},
    "variants": {"no-llm": {"rank": "lightgbm", "candidates": ["transitions", "popularity"]}},
}


def chain(shoppers: int = 120, items: int = 30, seed: int = 0) -> Dataset:
    """Everybody walks up a ring of items, one step at a time in four cases of five: the next item is known."""
    rng = np.random.default_rng(seed)
    events = []
    for user in range(shoppers):
        place, seen = int(rng.integers(items)), set()
        for step in range(7):
            while place in seen:
                place = (place + 1) % items
            seen.add(place)
            events.append(
                Event(
                    user_id=f"u{user}", item_id=f"i{place}", kind="purchase", time=1_700_000_000 + step * 86_400 + user
                )
            )
            place = (place + 1) % items if rng.random() < 0.8 else int(rng.integers(items))
    return Dataset.of([Item(item_id=f"i{i}", title=f"item {i}") for i in range(items)], events, name="chain")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return chain()


@pytest.fixture(scope="module")
def found(data: Dataset) -> Evaluation:
    return evaluate(data, "leave-one-out", EngineConfig.of(SMALL), ablate=True)


class Up(Reranker):
    """Puts what stands next on the ring first."""

    step = 1

    def judge(self, requests, slates):
        last = np.array([r.history.rows[-1] for r in requests])[slates.request_index]
        return Judgement((slates.items == (last + self.step) % len(self.items)).astype(np.float32))


class Down(Up):
    step = -1


def test_rows_of_rerankers_are_compared_with_the_cascade_and_with_one_another(data: Dataset) -> None:
    registry = Registry()
    registry.register("rerankers", "up", Up)
    registry.register("rerankers", "down", Down)
    config = EngineConfig.of({**SMALL, "rerank": {"up": {"max_move": 20}, "down": {"max_move": 20}}})
    rows = ["transitions", "popularity", "cascade", "cascade+up", "cascade+down"]
    found = evaluate(data, "leave-one-out", config, rows=rows, refit=False, latency=False, registry=registry).results
    assert set(found.row("cascade+up").p_vs) == {"transitions", "popularity", "cascade", "cascade+down"}
    assert set(found.row("cascade").p_vs) == {"transitions", "popularity", "cascade+up", "cascade+down"}
    assert set(found.row("popularity").p_vs) == {"transitions"}
    worse = found.row("cascade+down").effect["cascade"]
    assert worse.difference == pytest.approx(-found.row("cascade").effect["cascade+down"].difference)
    assert found.row("cascade+down").p_vs["cascade+up"] < 0.05


def test_the_known_order_is_found(found: Evaluation) -> None:
    results = found.results
    assert results.row("transitions").metrics["hr@5"] > 0.6
    assert results.row("transitions").metrics["ndcg@10"] > 3 * results.row("popularity").metrics["ndcg@10"]
    assert results.best_by_validation in {"transitions", "fusion", "cascade"}
    assert results.row("transitions").p_vs["popularity"] < 0.05
    assert results.row("own-history").metrics["hr@10"] == 0  # seen items are masked


def test_every_row_and_control_is_there(found: Evaluation) -> None:
    names = [row.name for row in found.results.rows]
    assert names[:7] == ["transitions", "popularity", "own-history", "fusion", "identity", "shuffle", "cascade"]
    assert {"transitions@refit", "fusion@refit", "cascade@refit"} <= set(names)
    assert {"cascade-without-transitions", "cascade-without-popularity"} <= set(names)


def test_identity_is_fusion_and_shuffle_knows_nothing(found: Evaluation) -> None:
    fusion, identity = found.per_user["fusion"]["ndcg@10"], found.per_user["identity"]["ndcg@10"]
    np.testing.assert_allclose(fusion, identity)
    assert found.results.row("shuffle").metrics["ndcg@10"] < found.results.row("fusion").metrics["ndcg@10"]


def test_taking_the_only_signal_out_costs(found: Evaluation) -> None:
    without = found.results.row("cascade-without-transitions").metrics["ndcg@10"]
    assert without < 0.5 * found.results.row("cascade").metrics["ndcg@10"]


def test_the_contract_of_the_json(found: Evaluation) -> None:
    plain = json.loads(found.results.to_json())
    assert {
        "data",
        "split",
        "users",
        "items",
        "seed",
        "settings_hash",
        "versions",
        "best_by_validation",
        "rows",
    } <= set(plain)
    row = next(r for r in plain["rows"] if r["name"] == "cascade")
    assert {"name", "metrics", "ci95", "p_vs", "fit_s", "latency_ms", "peak_rss_mb"} <= set(row)
    assert set(row["latency_ms"]) == {"p50", "p95"}
    low, high = row["ci95"]["ndcg@10"]
    assert low <= row["metrics"]["ndcg@10"] <= high
    assert row["ceiling"]["recall@100"] >= row["metrics"]["hr@10"]


def test_debiased_figures_stand_beside_the_plain_ones(found: Evaluation) -> None:
    results = found.results
    for row in results.rows:
        low, high = row.ci95["debiased_ndcg@10"]
        assert low <= row.metrics["debiased_ndcg@10"] <= high
    popular, chain = results.row("popularity").metrics, results.row("transitions").metrics
    assert popular["debiased_hr@10"] < 0.9 * popular["hr@10"]
    assert chain["debiased_hr@10"] > 0.9 * chain["hr@10"]
    assert 0 < float(results.protocol["debiased_effective_targets"]) < len(found.users)


def test_a_run_file_joins_the_table(data: Dataset, tmp_path: Path) -> None:
    fold = split(data.log, "leave-one-out").test
    users = [data.log.users[u] for u in fold.users]
    write_run(tmp_path / "perfect.trec", users, Slates.of([[int(r)] for r in fold.targets.rows]), data.items.vocabulary)
    out = evaluate(
        data, "leave-one-out", EngineConfig.of(SMALL), rows=["popularity"], runs={"perfect": tmp_path / "perfect.trec"},
        refit=False, latency=False,
    )  # fmt: skip
    assert out.results.row("perfect").metrics["ndcg@10"] == 1
    assert any("perfect is a run file: 0 of" in note for note in out.results.notes)


def test_an_oracle_is_a_row_and_obeys_the_mask(data: Dataset) -> None:
    fold = split(data.log, "leave-one-out").test
    truth = dict(zip(fold.users.tolist(), fold.targets.rows.tolist(), strict=True))

    def oracle(user: int, history: Any, now: int) -> Any:
        scores = np.zeros(len(data.items), dtype=np.float32)
        scores[history.rows] = 9  # seen: has to be masked
        scores[truth[user]] = 1
        return scores

    out = evaluate(
        data, "leave-one-out", EngineConfig.of(SMALL), rows=["popularity"], oracle=oracle, refit=False, latency=False
    )
    assert out.results.row("oracle").metrics["hr@10"] == 1


def test_repeats_are_shown_where_validation_has_them() -> None:
    base = chain(60)
    events = [
        Event(user_id=u, item_id="i0", kind="purchase", time=1_700_000_000 + 86_400 * day + n)
        for n, u in enumerate(base.log.users)
        for day in (30, 40, 50)
    ]
    again = Dataset.of(
        [base.items.item(r) for r in range(len(base.items))],
        [
            *(Event(user_id=u, item_id=base.items.ids[int(r)], kind="purchase", time=int(t))
              for g, u in enumerate(base.log.users)
              for r, t in zip(base.log.history(g).rows, base.log.history(g).times, strict=True)),
            *events,
        ],
        name="again",
    )  # fmt: skip
    options = {"rows": ["own-history"], "refit": False, "latency": False}
    shown = evaluate(again, "leave-one-out", EngineConfig.of(SMALL), **options)
    masked = evaluate(again, "leave-one-out", EngineConfig.of(SMALL), repeats="masked", **options)
    assert shown.results.protocol["repeats"] == "shown"
    assert shown.results.row("own-history").metrics["hr@10"] == 1
    assert masked.results.row("own-history").metrics["hr@10"] == 0
    assert shown.results.row("own-history").slices["target repeat"]["hr@10"] == 1


def test_looks_are_no_repeats() -> None:
    base = chain(60)
    last = {u: base.items.ids[int(base.log.history(g).rows[-1])] for g, u in enumerate(base.log.users)}
    looked = Dataset.of(
        [base.items.item(r) for r in range(len(base.items))],
        [
            *(Event(user_id=u, item_id=base.items.ids[int(r)], kind="purchase", time=int(t))
              for g, u in enumerate(base.log.users)
              for r, t in zip(base.log.history(g).rows, base.log.history(g).times, strict=True)),
            *(Event(user_id=u, item_id=i, kind="view", time=1_600_000_000) for u, i in last.items()),
        ],
        name="looked",
    )  # fmt: skip
    out = evaluate(looked, "leave-one-out", EngineConfig.of(SMALL), rows=["transitions"], refit=False, latency=False)
    assert out.results.protocol["repeats"] == "masked"
    assert "target repeat" not in out.results.row("transitions").slices


def test_global_time_counts_everybody(data: Dataset) -> None:
    out = evaluate(data, "global-time", EngineConfig.of(SMALL), rows=["transitions", "cascade"], latency=False)
    assert out.results.users == len(split(data.log, "global-time").test)
    assert out.results.row("cascade@refit").metrics["hr@10"] > 0


def test_shoppers_whom_the_fit_never_met_are_a_slice(data: Dataset) -> None:
    late = [
        Event(user_id=f"late{n}", item_id=f"i{n % 30}", kind="purchase", time=1_700_000_000 + 6 * 86_400 + n * 3600)
        for n in range(20)
    ]
    events = [
        Event(user_id=u, item_id=data.items.ids[int(r)], kind="purchase", time=int(t))
        for g, u in enumerate(data.log.users)
        for r, t in zip(data.log.history(g).rows, data.log.history(g).times, strict=True)
    ]
    more = Dataset.of([data.items.item(r) for r in range(len(data.items))], [*events, *late], name="late")
    out = evaluate(more, "global-time", EngineConfig.of(SMALL), rows=["popularity"], latency=False, refit=False)
    test = split(more.log, "global-time").test
    strangers = {more.log.users[u] for u in test.users} & {f"late{n}" for n in range(20)}
    assert out.results.row("popularity").slices["shopper cold"]["requests"] == len(strangers) > 0


def test_an_unknown_row_is_refused(data: Dataset) -> None:
    with pytest.raises(ConfigError, match="no row bananas: choose among transitions"):
        evaluate(data, "leave-one-out", EngineConfig.of(SMALL), rows=["bananas"])


def test_tuning_finds_the_better_setting_and_writes_what_can_be_read(data: Dataset, tmp_path: Path) -> None:
    start = EngineConfig.of({**SMALL, "candidates": {"transitions": {"reverse": 2.0, "decay": 0.99}, "popularity": {}}})
    said: list[str] = []
    tuned = tune(data, "leave-one-out", start, progress=said.append)
    assert tuned.candidates["transitions"].options["reverse"] < 2.0  # the ring is walked in one direction alone
    assert tuned.fusion.weights["transitions"] > tuned.fusion.weights["popularity"]
    assert any(line.startswith("lightgbm: ndcg@10") for line in said)
    path = tmp_path / "chain.toml"
    path.write_text(to_toml(tuned, "Chosen on validation.\nTwo lines."), encoding="utf-8")
    assert EngineConfig.read(path).hash == tuned.hash

    def score(config: EngineConfig) -> float:
        out = evaluate(data, "leave-one-out", config, rows=["transitions"], refit=False, latency=False)
        return out.results.row("transitions").metrics["ndcg@10"]

    assert score(tuned) >= score(start)


def fits_of(data: Dataset, config: EngineConfig, rows: list[str], **options: Any) -> tuple[set[str], Evaluation]:
    said: list[str] = []
    found = evaluate(data, "leave-one-out", config, rows=rows, latency=False, progress=said.append, **options)
    return {line.removeprefix("fitting ").split(" on ")[0] for line in said if line.startswith("fitting ")}, found


@pytest.mark.parametrize(
    ("rows", "fits"),
    [
        ("popularity", "popularity"),
        ("own-history transitions", "own-history transitions"),
        ("fusion", "transitions popularity"),
        ("identity own-history", "transitions popularity own-history"),
        ("cascade", "transitions popularity lightgbm"),
    ],
)
def test_only_what_the_rows_need_is_fitted(data: Dataset, found: Evaluation, rows: str, fits: str) -> None:
    config = EngineConfig.of(SMALL)
    fitted, some = fits_of(data, config, rows.split())
    assert fitted == set(fits.split())
    assert some.results.settings_hash == found.results.settings_hash
    for row in some.results.rows:  # those of the refit, too
        assert row.metrics == found.results.row(row.name).metrics


def test_the_variants_that_a_ranker_and_a_reranker_learn_in_stay() -> None:
    first = {"rank": "lightgbm", "candidates": ["popularity"]}
    home, other = {"rank": "lightgbm", "rerank": "up"}, {"candidates": ["own-history"]}
    variants = {"first": first, "home": home, "other": other, **SMALL["variants"]}
    config = EngineConfig.of({**SMALL, "rerank": {"up": {}, "down": {}}, "variants": variants})
    some = needed(config, ["cascade+down"])
    assert (list(some.variants), list(some.rerank)) == (["first", "home", "no-llm"], ["down"])
    assert list(some.candidates) == list(config.candidates)  # "home" takes them all
    lists = needed(EngineConfig.of({**SMALL, "variants": {"other": other, **SMALL["variants"]}}), ["fusion"])
    assert (list(lists.variants), list(lists.candidates)) == (["no-llm"], ["transitions", "popularity"])
    single = needed(config, ["own-history"])
    assert (list(single.candidates), single.rank, single.rerank) == (["own-history"], {}, {})
    assert config.hash != single.hash


def test_packaged_settings_are_read_once() -> None:
    settings._packaged.cache_clear()
    assert settings_for("s3rec:beauty") is not None
    assert settings.left_out("s3rec:beauty") == ()
    assert settings._packaged.cache_info().misses == 1


def test_settings_are_found_here_before_the_packaged_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Dataset
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_for("chain") is None
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "chain.toml").write_text("[candidates.popularity]\nn = 7\n[rank]\n[variants.no-llm]\n")
    here = settings_for("chain")
    assert here is not None
    assert here.candidates["popularity"].n == 7
    out = evaluate(data, "leave-one-out", rows=["popularity"], refit=False, latency=False)
    assert out.results.settings_hash == here.model_copy(update={"hide_seen": True}).hash


def test_default_settings_fit_the_data(data: Dataset) -> None:
    config = default_config(data, repeats=True)
    assert "trending" in config.candidates
    assert "own-history" in (config.variants["no-llm"].candidates or ())
    assert slug("s3rec:Beauty") == "s3rec-beauty"


def test_tuning_touches_only_what_is_named(data: Dataset) -> None:
    start = EngineConfig.of({**SMALL, "candidates": {"transitions": {"reverse": 2.0}, "popularity": {}}})
    tuned = tune(data, "leave-one-out", start, only=["popularity"])
    assert tuned.candidates["transitions"] == start.candidates["transitions"]
    assert tuned.rank == start.rank
    with pytest.raises(ConfigError, match="nothing to tune is named bananas"):
        tune(data, "leave-one-out", start, only=["bananas"])
