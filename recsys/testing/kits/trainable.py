"""Checks for `recsys.protocols.Trainable` and `recsys.protocols.TrainableRanker`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.errors import ModelError, NotFittedError
from recsys.protocols import FitOptions, Trainable, TrainableRanker
from recsys.testing.kits.base import Kit, Make
from recsys.testing.kits.compare import assert_same
from recsys.testing.kits.saved import arrays_with_a_side_of, leaks, people_of, pickles
from recsys.testing.worlds import checkerboard, requests_of


class TrainableTests(Kit):
    """Fit, save, load: mix in beside the kit of the kind, as in ``class TestEASE(GeneratorTests, TrainableTests)``."""

    def fit(self, component: Any, world: Dataset, seed: int = 0) -> Any:
        """Return what ``fit`` returns."""
        return component.fit(world, FitOptions(seed=seed, threads=1))

    def ready(self, component: Make, world: Dataset, seed: int = 0) -> Any:
        """Return a fitted component."""
        return self.fit(component(), world, seed)

    def other_world(self, world: Dataset) -> Dataset:
        """Return data that gives another fit: another catalogue of another size."""
        return checkerboard()

    def saved(self, fitted: Any, folder: Path) -> Path:
        """Save into a new folder and return it."""
        folder.mkdir()
        fitted.save(folder)
        return folder

    def test_trainable_has_its_protocol(self, component: Make) -> None:
        """The methods are there."""
        assert isinstance(component(), Trainable)

    def test_fit_returns_self(self, component: Make, world: Dataset) -> None:
        """So that calls can be chained."""
        made = component()
        assert self.fit(made, world) is made

    def test_unfitted_raises(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """Asking or saving before fit() is a NotFittedError."""
        with pytest.raises(NotFittedError):
            self.answer(component(), world)
        with pytest.raises(NotFittedError):
            self.saved(component(), tmp_path / "unfitted")

    def test_fit_leaves_data_alone(self, component: Make, world: Dataset) -> None:
        """The data set is as before the fit."""
        events = world.log.events
        columns = (events.rows, events.times, events.kinds, events.values, events.weights, events.positions)
        before = [c.tobytes() for c in columns], list(world.items.titles), world.items.prices.tobytes()
        self.fit(component(), world)
        assert ([c.tobytes() for c in columns], list(world.items.titles), world.items.prices.tobytes()) == before

    def test_same_seed_same_answer(self, component: Make, world: Dataset) -> None:
        """Two fits with one seed agree."""
        first, second = (self.answer(self.ready(component, world, 5), world) for _ in range(2))
        assert_same(first, second, "two fits with one seed")

    def test_second_fit_forgets_the_first(self, component: Make, world: Dataset) -> None:
        """A fit on other data before leaves no trace."""
        used = self.fit(component(), self.other_world(world))
        again = self.fit(used, world)
        fresh = self.fit(component(), world)
        assert_same(self.answer(again, world), self.answer(fresh, world), "a second fit and a fresh one")

    def test_load_gives_the_same_answers(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """What is loaded answers as what was saved."""
        fitted = self.ready(component, world)
        loaded = type(fitted).load(self.saved(fitted, tmp_path / "saved"), self.deps(world))
        assert type(loaded) is type(fitted)
        assert_same(self.answer(loaded, world), self.answer(fitted, world), "before saving and after loading")

    def test_save_again_gives_the_same_files(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """What is loaded can be saved, and nothing is lost on the way."""
        fitted = self.ready(component, world)
        first = self.saved(fitted, tmp_path / "first")
        second = self.saved(type(fitted).load(first, self.deps(world)), tmp_path / "second")
        names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in (first, second)]
        assert names[0] == names[1]

    def test_save_leaves_the_component_alone(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """Saving changes no answer."""
        fitted = self.ready(component, world)
        before = self.answer(fitted, world)
        self.saved(fitted, tmp_path / "saved")
        assert_same(self.answer(fitted, world), before, "before and after saving")

    def test_saved_folder_holds_no_pickle(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """No file, and no member of an archive, is a pickle: loading one runs whatever its author likes."""
        assert pickles(self.saved(self.ready(component, world), tmp_path / "saved")) == []

    def test_saved_folder_names_nobody(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """No user id, event id or review author is in any byte of any file."""
        folder = self.saved(self.ready(component, world), tmp_path / "saved")
        assert leaks(folder, people_of(world)) == []

    def test_saved_folder_has_no_row_per_person(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """No saved matrix has as many rows or columns as the world has shoppers: user factors are about people."""
        folder = self.saved(self.ready(component, world), tmp_path / "saved")
        assert arrays_with_a_side_of(folder, world.log.n_users) == []

    def test_load_of_an_empty_folder_is_refused(self, component: Make, world: Dataset, tmp_path: Path) -> None:
        """A missing file is a ModelError, ArtifactMissing say."""
        with pytest.raises(ModelError):
            type(component()).load(tmp_path, self.deps(world))


class TrainableRankerTests(TrainableTests):
    """The same for rankers, which learn from labelled slates: mix in beside RankerTests."""

    def fit(self, component: Any, world: Dataset, seed: int = 0) -> Any:
        """Fit on random slates in which the items that a shopper liked have label 1."""
        requests = requests_of(world)
        slates = self.slates(world, requests, seed=11)
        liked = [set(r.history.rows[r.history.weights > 0].tolist()) for r in requests]
        labels = [float(item in liked[i]) for i, one in enumerate(slates) for item in one.items.tolist()]
        return component.fit(requests, slates, np.array(labels, dtype=np.float32), FitOptions(seed=seed, threads=1))

    def other_world(self, world: Dataset) -> Dataset:
        """Return the same catalogue with half of the events: a ranker is built for one catalogue."""
        return world.with_log(world.log.where(np.arange(len(world.log)) % 2 == 0))

    def test_trainable_has_its_protocol(self, component: Make) -> None:
        """The methods are there."""
        assert isinstance(component(), TrainableRanker)
