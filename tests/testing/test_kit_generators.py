from __future__ import annotations

import copy
import gzip
import io
import json
import pickle
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from kit_toys import ToyGenerator, after, before, broken, checks, run_check
from scipy import sparse

from recsys.testing.kits import AttributorTests, GeneratorTests, LiveTests, ScorerTests, TrainableTests
from recsys.types import Slates

KITS = (ScorerTests, GeneratorTests, TrainableTests, LiveTests, AttributorTests)
FAILED = (AssertionError, pytest.fail.Exception)


class AllOf(GeneratorTests, TrainableTests, LiveTests, AttributorTests):
    pass


class TestToyGenerator(AllOf):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return ToyGenerator


def slates(old, items=None, scores=None, columns=None, notes=None):
    """The same slates with something else in them."""
    return Slates(
        old.items.copy() if items is None else items, old.scores.copy() if scores is None else scores,
        old.offsets.copy(), old.columns if columns is None else columns, old.notes if notes is None else notes,
    )  # fmt: skip


def lists(answer, change):
    """Each list changed by ``change(items, scores) -> items, scores``."""
    parts = [change(one.items.tolist(), one.scores.tolist()) for one in answer]
    return Slates.of([p[0] for p in parts], [p[1] for p in parts])


def with_history(requests, change):
    return [replace(r, history=replace(r.history, weights=change(r.history.weights))) for r in requests]


def spoil(self, requests, *rest):
    for request in requests:
        request.history.weights[:1] += 1
    return requests, *rest


def need_one(self, requests, *rest):
    requests[0].history  # noqa: B018
    return requests, *rest


def remembers(method):
    """Keeps the requests of a call on the object, where another thread finds them."""
    original = getattr(ToyGenerator, method)

    def changed(self, requests, argument):
        self.current = requests
        time.sleep(0.02)
        return original(self, self.current, argument)

    return broken(ToyGenerator, **{method: changed})


def counts_calls(method):
    def change(self, answer, *_):
        self.calls = getattr(self, "calls", 0) + 1
        return slates(answer, scores=answer.scores * np.float32(self.calls))

    return after(ToyGenerator, method, change)


def per_slate(self, answer, *_):
    parts = [one.scores - np.nanmin(one.scores, initial=0) - np.nanmax(one.scores, initial=0) for one in answer]
    return slates(answer, scores=np.concatenate(parts).astype(np.float32))


score, generate = (lambda change, m=m: after(ToyGenerator, m, change) for m in ("score", "generate"))

SCORE = [
    ("score_has_its_protocol", broken(ToyGenerator, score=None)),
    ("score_dtypes", score(lambda s, a, *_: slates(a, scores=a.scores.astype(np.float64)))),
    ("score_dtypes", score(lambda s, a, *_: (a.items, a.scores))),
    ("score_keeps_items_and_order", score(lambda s, a, r, given: a.ordered(a.scores))),
    ("score_keeps_columns_and_notes", score(lambda s, a, *_: slates(a, columns={}))),
    ("score_keeps_columns_and_notes", score(lambda s, a, *_: slates(a, notes=()))),
    ("score_keeps_columns_and_notes",
     score(lambda s, a, *_: slates(a, columns={n: v[::-1].copy() for n, v in a.columns.items()}))),
    ("score_is_nan_for_unseen_rows", score(lambda s, a, *_: slates(a, scores=np.nan_to_num(a.scores)))),
    ("score_is_finite_or_nan", score(lambda s, a, *_: slates(a, scores=np.where(a.scores > 0, a.scores, -np.inf)))),
    ("score_of_an_empty_batch", before(ToyGenerator, "score", need_one)),
    ("score_leaves_inputs_alone", before(ToyGenerator, "score", spoil)),
    ("score_single_equals_batch", score(lambda s, a, r, _: slates(a, scores=a.scores / np.float32(len(r))))),
    ("score_does_not_depend_on_the_other_items", score(per_slate)),
    ("score_same_call_twice", counts_calls("score")),
    ("score_in_two_threads", remembers("score")),
]  # fmt: skip


def mask_late(self, requests, n):
    """Cuts first, masks then."""
    cut = ToyGenerator.generate(self, [replace(r, allowed=None) for r in requests], n)
    kept = [
        [(i, s) for i, s in zip(one.items.tolist(), one.scores.tolist(), strict=True)
         if r.allowed is None or r.allowed[i]]
        for one, r in zip(cut, requests, strict=True)
    ]  # fmt: skip
    return Slates.of([[i for i, _ in one] for one in kept], [[s for _, s in one] for one in kept])


def refuses_long_masks(self, requests, n):
    assert all(r.allowed is None or len(r.allowed) == len(self.matrix) for r in requests)
    return requests, n


def refuses_empty_histories(self, requests, n):
    assert all(len(r.history) for r in requests)
    return requests, n


def refuses_large_n(self, requests, n):
    assert n <= len(self.matrix)
    return requests, n


GENERATE = [
    ("generate_has_its_protocol", broken(ToyGenerator, generate=None)),
    ("generate_dtypes", generate(lambda s, a, *_: slates(a, items=a.items.astype(np.int64)))),
    ("generate_finds_something", generate(lambda s, a, *_: lists(a, lambda i, v: ([], [])))),
    ("generate_one_list_each",
     generate(lambda s, a, *_: Slates.of([o.items for o in a if len(o.items)], [o.scores for o in a if len(o.items)]))),
    ("generate_at_most_n", before(ToyGenerator, "generate", lambda s, r, n: (r, n + 1))),
    ("generate_no_duplicates", generate(lambda s, a, *_: lists(a, lambda i, v: (i[:1] + i, v[:1] + v)))),
    ("generate_known_rows", generate(lambda s, a, *_: lists(a, lambda i, v: (i[:-1] + [40] * bool(i), v)))),
    ("generate_best_first", generate(lambda s, a, *_: lists(a, lambda i, v: (i[::-1], v[::-1])))),
    ("generate_finite_scores", generate(lambda s, a, *_: lists(a, lambda i, v: (i, v[:-1] + [np.nan] * bool(v))))),
    ("generate_allowed_rows_only",
     before(ToyGenerator, "generate", lambda s, r, n: ([replace(x, allowed=None) for x in r], n))),
    ("generate_fills_up_from_allowed_rows", broken(ToyGenerator, generate=mask_late)),
    ("generate_nothing_allowed", generate(lambda s, a, *_: lists(a, lambda i, v: (i or [0], v or [0.0])))),
    ("generate_with_a_longer_mask", before(ToyGenerator, "generate", refuses_long_masks)),
    ("generate_empty_batch", before(ToyGenerator, "generate", need_one)),
    ("generate_odd_histories", before(ToyGenerator, "generate", refuses_empty_histories)),
    ("generate_more_than_there_is", before(ToyGenerator, "generate", refuses_large_n)),
    ("generate_prefix", generate(lambda s, a, r, n: slates(a, scores=a.scores / np.float32(max(n, 1))))),
    ("generate_leaves_inputs_alone", before(ToyGenerator, "generate", spoil)),
    ("generate_same_call_twice", counts_calls("generate")),
    ("generate_single_equals_batch", generate(lambda s, a, r, n: slates(a, scores=a.scores / np.float32(len(r))))),
    ("generate_in_two_threads", remembers("generate")),
    ("generate_agrees_with_score", generate(lambda s, a, *_: slates(a, scores=a.scores * np.float32(2)))),
    ("zero_weights_say_nothing", broken(ToyGenerator, weights=lambda s, h: np.where(h.weights == 0, 1, h.weights))),
    ("history_matters_as_declared", broken(ToyGenerator, shares=lambda s, r: s.fitted()[:, :1])),
    ("dislikes_lower_what_likes_raise", broken(ToyGenerator, weights=lambda s, h: np.abs(h.weights))),
    ("dislikes_lower_what_likes_raise", broken(ToyGenerator, weights=lambda s, h: np.maximum(h.weights, 0))),
    ("finds_the_right_answer", broken(ToyGenerator, shares=lambda s, r: s.fitted()[:, :1])),
]  # fmt: skip


def noisy_fit(self, data, options):
    ToyGenerator.fit(self, data, options)
    self.matrix += np.random.default_rng().random(self.matrix.shape, dtype=np.float32)
    return self


def adding_fit(self, data, options):
    old = self.matrix
    ToyGenerator.fit(self, data, options)
    if old is not None:
        n = min(len(old), len(self.matrix))
        self.matrix[:n, :n] += old[:n, :n]
    return self


def spoiling_fit(self, data, options):
    data.log.events.weights[:] = np.abs(data.log.events.weights)
    return ToyGenerator.fit(self, data, options)


def user_keeping_fit(self, data, options):
    self.users, self.n_users = list(data.log.users), data.log.n_users
    return ToyGenerator.fit(self, data, options)


def also_writes(write):
    """A generator that knows its shoppers and has ``write(self, folder)`` called by save."""

    def save(self, folder):
        ToyGenerator.save(self, folder)
        write(self, folder)

    return broken(ToyGenerator, fit=user_keeping_fit, save=save)


def zipped(name, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def spoiling_save(self, folder):
    ToyGenerator.save(self, folder)
    self.matrix = self.matrix * 2


def halving_load(cls, folder, deps):
    out = ToyGenerator.load.__func__(cls, folder, deps)
    out.matrix = out.matrix / 2
    return out


def forgetful_load(cls, folder, deps):
    out = ToyGenerator.load.__func__(cls, folder, deps)
    out.users = []
    return out


def lenient_load(cls, folder, deps):
    return ToyGenerator.load.__func__(cls, folder, deps) if (folder / "matrix.npy").exists() else cls()


def lenient_answers(self):
    return np.zeros((40, 40), dtype=np.float32) if self.matrix is None else self.matrix


TRAIN = [
    ("trainable_has_its_protocol", broken(ToyGenerator, load=None)),
    ("fit_returns_self", after(ToyGenerator, "fit", lambda s, a, *_: None)),
    ("fit_returns_self", after(ToyGenerator, "fit", lambda s, a, *_: type(s)())),
    ("unfitted_raises", broken(ToyGenerator, fitted=lenient_answers)),
    ("unfitted_raises", broken(ToyGenerator, save=lambda s, folder: None)),
    ("fit_leaves_data_alone", broken(ToyGenerator, fit=spoiling_fit)),
    ("same_seed_same_answer", broken(ToyGenerator, fit=noisy_fit)),
    ("second_fit_forgets_the_first", broken(ToyGenerator, fit=adding_fit)),
    ("load_gives_the_same_answers", broken(ToyGenerator, load=classmethod(halving_load))),
    ("save_again_gives_the_same_files",
     broken(also_writes(lambda s, f: s.users and (f / "note.txt").write_text("x")), load=classmethod(forgetful_load))),
    ("save_leaves_the_component_alone", broken(ToyGenerator, save=spoiling_save)),
    ("saved_folder_holds_no_pickle", also_writes(lambda s, f: (f / "m.bin").write_bytes(pickle.dumps(s.matrix)))),
    ("saved_folder_holds_no_pickle", also_writes(lambda s, f: (f / "m.txt").write_bytes(pickle.dumps([1], 0)))),
    ("saved_folder_holds_no_pickle", also_writes(lambda s, f: np.save(f / "m.npy", np.array([{}], dtype=object)))),
    ("saved_folder_holds_no_pickle", also_writes(lambda s, f: np.savez(f / "m.npz", m=np.array([{}], dtype=object)))),
    ("saved_folder_holds_no_pickle",
     also_writes(lambda s, f: (f / "m.pt").write_bytes(zipped("archive/data.pkl", pickle.dumps({}))))),
    ("saved_folder_names_nobody", also_writes(lambda s, f: (f / "u.json").write_text(json.dumps(s.users)))),
    ("saved_folder_names_nobody", also_writes(lambda s, f: np.save(f / "u.npy", np.array(s.users)))),
    ("saved_folder_names_nobody", also_writes(lambda s, f: np.savez_compressed(f / "u.npz", u=np.array(s.users)))),
    ("saved_folder_names_nobody",
     also_writes(lambda s, f: (f / "u.gz").write_bytes(gzip.compress("".join(s.users).encode("utf-16-le"))))),
    ("saved_folder_has_no_row_per_person", also_writes(lambda s, f: np.save(f / "u.npy", np.zeros((s.n_users, 3))))),
    ("saved_folder_has_no_row_per_person",
     also_writes(lambda s, f: np.savez_compressed(f / "u.npz", u=np.zeros((3, s.n_users))))),
    ("load_of_an_empty_folder_is_refused", broken(ToyGenerator, load=classmethod(lenient_load))),
]  # fmt: skip


def applied_in_place(self, delta):
    grown = ToyGenerator.apply(self, delta)
    self.matrix, self.brands = grown.matrix, grown.brands
    return self


def forgets_the_old(self, delta):
    out = ToyGenerator.apply(self, delta)
    out.matrix[:, : len(self.matrix)] = 0
    return out


def always_from_the_base(self, delta):
    """Takes in what changed, and nothing that changed before."""
    out = ToyGenerator.apply(self, delta)
    keep = np.zeros(len(delta.items), dtype=bool)
    out.base = getattr(self, "base", len(self.matrix))
    keep[: out.base] = True
    keep[delta.changed] = True
    out.matrix[:, ~keep] = 0
    return out


LIVE = [
    ("live_has_its_protocol", broken(ToyGenerator, apply=None)),
    ("apply_serves_the_new_item", broken(ToyGenerator, apply=lambda s, delta: s)),
    ("apply_keeps_the_old_items", broken(ToyGenerator, apply=forgets_the_old)),
    ("apply_leaves_the_original_alone", broken(ToyGenerator, apply=applied_in_place)),
    ("apply_of_nothing_changes_nothing",
     after(ToyGenerator, "apply", lambda s, a, d: setattr(a, "matrix", a.matrix * 2) or a)),
    ("apply_twice", broken(ToyGenerator, apply=always_from_the_base)),
]  # fmt: skip


def shifted(self, answer, requests, given):
    dense = answer.toarray()
    return sparse.csr_array(np.roll(dense, 1, axis=1))


def to_the_wrong_event(self, answer, requests, given):
    """All of the score to the event that gave least of it."""
    dense = answer.toarray()
    for at, owner in enumerate(given.request_index):
        own = np.flatnonzero(requests[owner].history.weights)
        if len(own):
            total = dense[at].sum()
            least = own[np.argmin(dense[at, own])]
            dense[at] = 0
            dense[at, least] = total
    return sparse.csr_array(dense)


def share(change):
    return after(ToyGenerator, "contributions", change)


ATTRIBUTE = [
    ("attributor_has_its_protocol", broken(ToyGenerator, contributions=None)),
    ("contributions_shape", share(lambda s, a, *_: sparse.csr_array(sparse.hstack([a, a])))),
    ("contributions_shape", share(lambda s, a, *_: a.tocoo())),
    ("contributions_sum_to_the_score", share(lambda s, a, *_: sparse.csr_array(a * 0.99))),
    ("contributions_of_own_events_only", share(shifted)),
    ("contributions_are_of_the_event", share(to_the_wrong_event)),
    ("contributions_of_an_empty_batch", before(ToyGenerator, "contributions", need_one)),
    ("contributions_single_equals_batch", share(lambda s, a, r, _: sparse.csr_array(a / len(r)))),
    ("contributions_leave_inputs_alone", before(ToyGenerator, "contributions", spoil)),
]  # fmt: skip


def prepared_by(change):
    """A generator that prepares a batch, and answers it otherwise than without."""
    other = after(ToyGenerator, "generate", lambda s, a, *_: slates(a, scores=change(a.scores)))

    def prepared(self, requests):
        batch = copy.copy(self)
        batch.__class__ = other
        return batch

    return broken(ToyGenerator, prepared=prepared)


PREPARE = [("prepared_answers_alike", prepared_by(lambda scores: scores * np.float32(2)))]

TABLE = [*SCORE, *GENERATE, *TRAIN, *LIVE, *ATTRIBUTE, *PREPARE]


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in TABLE], ids=[f"{i}-{c}" for i, (c, _) in enumerate(TABLE)]
)
def test_broken_generator_fails_its_check(check, component, tmp_path):
    declared = {"checkerboard_floor": 0.5}
    expected = IndexError if "empty_batch" in check else FAILED
    with pytest.raises(expected):
        run_check(AllOf, check, component, tmp_path, declared)


def test_declaring_too_little_fails_too(tmp_path):
    for check in ("test_history_matters_as_declared", "test_dislikes_lower_what_likes_raise"):
        (tmp_path / check).mkdir()
        with pytest.raises(AssertionError):
            run_check(AllOf, check, ToyGenerator, tmp_path / check, {"uses_history": False})


def test_every_check_has_a_component_that_fails_it():
    assert {f"test_{c}" for c, _ in TABLE} == {name for kit in KITS for name in checks(kit)}


def test_a_world_with_short_ids_cannot_show_leaks(tmp_path):
    from recsys.dataset import Dataset
    from recsys.testing.kits.saved import people_of
    from recsys.types import Event, Item

    data = Dataset.of([Item(item_id="a")], [Event(user_id="1", item_id="a", time=1)])
    with pytest.raises(AssertionError, match="under 6"):
        people_of(data)


def test_a_kit_without_its_kind_says_so(tmp_path):
    with pytest.raises(TypeError, match="kit of its kind"):
        run_check(TrainableTests, "test_same_seed_same_answer", ToyGenerator, tmp_path)
