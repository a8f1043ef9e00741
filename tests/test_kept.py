from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.dataset import Dataset
from recsys.fitting import deps_for, fit_generators
from recsys.kept import MARK, fit_or_read
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.testing.worlds import small_shop
from recsys.types import Event, Item, Request

CONFIG = EngineConfig.of(
    {"candidates": {"transitions": {}, "als": {}, "attributes": {}, "mixed": {
        "use": "blend", "parts": {"transitions": {}, "attributes": {}}}}}
)  # fmt: skip


@pytest.fixture(scope="module")
def shop():
    return small_shop()


def folders(kept):
    return sorted(path.name for path in kept.iterdir())


def test_what_is_read_back_answers_as_what_was_fitted(shop, tmp_path):
    how = FitOptions(kept=tmp_path / "fits")
    made, seconds = fit_generators(CONFIG, Registry(), shop, shop.log, how)
    written = folders(how.kept)
    read, again = fit_generators(CONFIG, Registry(), shop, shop.log, how)
    assert (folders(how.kept), again) == (written, seconds)
    assert len(written) == len(CONFIG.candidates)
    requests = [Request(history=shop.log.history(user)) for user in range(8)]
    for name in made:
        assert read[name] is not made[name]
        one, other = made[name].generate(requests, 20), read[name].generate(requests, 20)
        assert np.array_equal(one.items, other.items)
        assert np.array_equal(one.scores, other.scores)


def test_other_data_settings_and_seeds_are_fitted_anew(shop, tmp_path):
    config = EngineConfig.of({"candidates": {"als": {}}})
    how = FitOptions(kept=tmp_path)
    fits = [
        (config, shop, how),
        (config, shop, replace(how, seed=1)),
        (EngineConfig.of({"candidates": {"als": {"factors": 8}}}), shop, how),
        (config, shop.with_log(shop.log.where(shop.log.events.times < shop.log.events.times.max())), how),
        (config, retitled(shop), how),
    ]
    for count, (settings, data, options) in enumerate(fits, 1):
        fit_generators(settings, Registry(), data, data.log, options)
        assert len(folders(tmp_path)) == count
    # Threads change nothing that is learned.
    fit_generators(config, Registry(), shop, shop.log, replace(how, threads=1))
    assert len(folders(tmp_path)) == len(fits)


def retitled(shop):
    items = [shop.items.item(row) for row in range(len(shop.items))]
    return Dataset(Dataset.of([replace(items[0], title="another"), *items[1:]], []).items, shop.log)


def test_a_folder_that_was_cut_off_is_made_again(tmp_path):
    data = Dataset.of([Item(item_id=i) for i in "ab"], [Event(user_id="u", item_id=i, time=1) for i in "ab"])
    how, registry = FitOptions(kept=tmp_path), Registry()
    deps = deps_for(data, registry)

    def popularity():
        return fit_or_read(registry.build("candidates", {"use": "popularity"}, deps, "x"), data, how, deps)

    popularity()
    (folder,) = tmp_path.iterdir()
    whole = folders(folder)
    (folder / MARK).unlink()
    shutil.copytree(folder, tmp_path / f"{folder.name}.0.part")
    popularity()
    assert folders(folder) == whole


def test_nothing_is_written_without_a_folder(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit_generators(CONFIG, Registry(), shop, shop.log, FitOptions())
    assert not list(tmp_path.iterdir())
