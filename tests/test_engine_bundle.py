from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from engine_toys import CONFIG, FUSED, NOW, SHOPPERS, event, fitted, ids, pairs

from recsys.bundle import open_bundle
from recsys.engine import Engine
from recsys.errors import ArtifactDamaged, ArtifactMissing, DataError, ModelError, ShapeMismatch
from recsys.store.memory import MemoryStore
from recsys.testing.kits.saved import arrays_with_a_side_of, leaks, people_of, pickles
from recsys.testing.worlds import small_shop
from recsys.types import Filter, Item


@pytest.fixture(scope="module")
def trained() -> Engine:
    """One with a ranker, for tests that change nothing."""
    return fitted(CONFIG)


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "bundle"
    trained.save(path)
    return path


@pytest.fixture
def own_bundle(tmp_path):
    """A cheap one that a test may spoil."""
    fitted(FUSED).save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.mark.parametrize("verify", [True, False])
def test_a_loaded_engine_answers_as_the_saved_one(trained, bundle, verify):
    loaded = Engine.load(bundle, store=trained.store, verify=verify)
    assert loaded.config == trained.config
    assert loaded.warnings == trained.warnings
    for variant in CONFIG.variants:
        for mine, theirs in zip(
            loaded.recommend_batch(SHOPPERS, k=8, variant=variant, now=NOW),
            trained.recommend_batch(SHOPPERS, k=8, variant=variant, now=NOW),
            strict=True,
        ):
            assert pairs(mine) == pairs(theirs)
            assert [r.sources for r in mine] == [r.sources for r in theirs]
    assert ids(loaded.similar_items("SKU-016")) == ids(trained.similar_items("SKU-016"))
    assert ids(loaded.rank(SHOPPERS[1], ["SKU-001", "SKU-017"])) == ids(
        trained.rank(SHOPPERS[1], ["SKU-001", "SKU-017"])
    )


def test_the_trace_names_the_bundle(trained, bundle):
    assert Engine.load(bundle).recommend(None).trace.bundle == open_bundle(bundle).id
    assert trained.recommend(None).trace.bundle == ""


def test_nobody_is_in_a_bundle(bundle):
    shop = small_shop()
    assert leaks(bundle, people_of(shop)) == []
    assert leaks(bundle, [r.text for r in shop.reviews]) == []
    assert arrays_with_a_side_of(bundle, shop.log.n_users) == []
    assert pickles(bundle) == []


def test_without_a_store_strangers_are_served(trained, bundle):
    loaded = Engine.load(bundle)
    assert ids(loaded.recommend(SHOPPERS[0], now=NOW)) == ids(trained.recommend(None, now=NOW))
    assert loaded.recommend(None, k=1)[0].title
    assert len(loaded.recommend(None, where=Filter(brands=("Tarn",)), k=40)) > 0


def test_a_loaded_engine_takes_changes_in(bundle):
    loaded = Engine.load(bundle)
    loaded.add_items(
        [Item(item_id="NEW-1", title="Mesh running shoe", categories=("Sports", "Running"), brand="Swiftline")]
    )
    loaded.add_events([event("newcomer", 17)])
    assert "NEW-1" in ids(loaded.recommend("newcomer", k=12, variant="like"))
    assert "SKU-017" not in ids(loaded.recommend("newcomer", k=40))


def test_withdrawn_items_stay_withdrawn(tmp_path):
    engine = fitted()
    first = ids(engine.recommend(None, k=1))[0]
    engine.withdraw([first])
    engine.save(tmp_path / "bundle")
    assert first not in ids(Engine.load(tmp_path / "bundle").recommend(None, k=40))


def test_a_store_may_have_grown_and_changed(own_bundle):
    store = MemoryStore.of(small_shop())
    twin = replace(store.items().item(17), item_id="NEW-1", stock=3)
    moved = replace(store.items().item(1), title="", text="", brand="Tarn", categories=("Sports", "Running"))
    store.put_items([twin, replace(moved, attributes={"material": "reflective"})])
    store.put_events([event("newcomer", 17)])
    loaded = Engine.load(own_bundle, store=store)
    got = ids(loaded.recommend("newcomer", k=10, variant="like"))
    assert got[0] == "NEW-1"
    assert "SKU-001" in got  # a kettle no longer


def test_another_store_is_refused(own_bundle):
    shop = small_shop()
    other = [shop.items.item(row) for row in range(39, -1, -1)]
    for items in (other, other[:5], []):
        store = MemoryStore()
        store.put_items(items)
        with pytest.raises(ShapeMismatch, match="not the ones that the bundle was fitted on: fit again"):
            Engine.load(own_bundle, store=store)


@pytest.mark.parametrize(
    "name", ["items.jsonl", "engine.json", "manifest.json", "candidates/00/*.npy", "candidates/02/counts.npy"]
)
@pytest.mark.parametrize("how", ["cut", "turned", "gone"])
def test_a_damaged_bundle_is_refused(own_bundle, name, how):
    (file, *_) = sorted(open_bundle(own_bundle).folder.glob(name))
    data = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        middle = len(data) // 2
        file.write_bytes(
            data[:middle] if how == "cut" else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        )
    with pytest.raises((ArtifactDamaged, ArtifactMissing)):
        Engine.load(own_bundle)


def test_folders_that_are_no_bundle(tmp_path, trained):
    with pytest.raises(ArtifactMissing, match="recsys fit"):
        Engine.load(tmp_path / "absent")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ModelError, match="no recsys bundle"):
        Engine.load(tmp_path)
    with pytest.raises(ModelError, match="no recsys bundle"):
        trained.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_engine_without_a_ranker_is_saved_with_its_warning(tmp_path):
    engine = Engine(CONFIG)
    engine.add_items([Item(item_id=f"SKU-{i:03d}", title=f"thing {i}") for i in range(6)])
    engine.add_events([event("one", 0), event("one", 1, time=NOW + 1), event("two", 1)])
    engine.fit().save(tmp_path / "bundle")
    loaded = Engine.load(tmp_path / "bundle", store=engine.store)
    assert loaded.warnings == engine.warnings != ()
    assert pairs(loaded.recommend("two", k=3)) == pairs(engine.recommend("two", k=3))


@pytest.mark.parametrize("name", ["dump", "dump.jsonl.gz"])
def test_dump_and_restore(tmp_path, name):
    engine = fitted()
    counts = engine.dump(tmp_path / name)
    engine.save(tmp_path / "bundle")
    store = MemoryStore()
    fresh = Engine(FUSED, store)
    assert fresh.restore(tmp_path / name) == counts
    assert counts["items"] == 40
    for other in (Engine.load(tmp_path / "bundle", store=store), fresh.fit()):
        for user in SHOPPERS[:10]:
            assert pairs(other.recommend(user, now=NOW)) == pairs(engine.recommend(user, now=NOW))
    with pytest.raises(DataError):
        fresh.restore(tmp_path / name)  # not empty any more


FITTING = """
import sys
from engine_toys import FUSED
from recsys.engine import Engine
from recsys.testing.worlds import small_shop
from recsys.types import Event

path = sys.argv[1]
shop = small_shop()
print("ready", flush=True)
n = 0
while True:
    n += 1
    engine = Engine(FUSED)
    engine.fit(shop)
    # Another content each time, so that each save writes another version.
    engine.add_events([Event(user_id=f"fan-{n}", item_id="SKU-020", time=1_800_000_000 + n)])
    engine.save(path)
"""


def test_kill_9_during_fit_and_save_leaves_a_bundle(tmp_path):
    path = tmp_path / "bundle"
    fitted().save(path)
    first = open_bundle(path).id
    rng, kills = np.random.default_rng(1), 0
    # Six kills, and then until one got through, later and later: else saving was never under way (a busy machine).
    while kills < 6 or (open_bundle(path).id == first and kills < 30):
        delay = rng.uniform(0.05, 0.6) * max(1, kills - 4)
        kills += 1
        worker = subprocess.Popen(
            [sys.executable, "-c", FITTING, str(path)], stdout=subprocess.PIPE, cwd=os.path.dirname(__file__)
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        loaded = Engine.load(path)
        assert len(loaded.recommend(None, k=5)) == 5
    assert open_bundle(path).id != first
    fitted().save(path)  # and no lock or half-written version is in the way
    assert len(Engine.load(path).recommend(None, k=5)) == 5
