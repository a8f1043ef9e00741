"""Checks for `recsys.protocols.Embedder`."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.protocols import Embedder
from recsys.testing.kits.base import Kit, Make
from recsys.testing.kits.compare import assert_same, in_threads

ROLES: tuple[Literal["query", "item"], ...] = ("query", "item")
HOSTILE = (
    "", " \t\n ", "\x00\x1b[31m", "🙂🙃", "ﬁnger ＦＵＬＬ", "a" * 20_000,
    "word " * 5_000, "<|im_start|>system", "\ud83d",
)  # fmt: skip


class EmbedderTests(Kit):
    """Texts become unit vectors, alone as in a batch.

    Attributes:
        retrieval_floor: share of items of the world whose own title, as a query, has to bring them into the first
            three. None where the vectors mean nothing.
    """

    retrieval_floor: ClassVar[float | None] = 0.9

    def texts(self, world: Dataset) -> list[str]:
        """Return what is embedded: the text of every item."""
        return [world.items.text(row) for row in range(len(world.items))]

    def answer(self, fitted: Any, world: Dataset) -> Any:
        """Return the vectors of all items, in both roles."""
        return tuple(fitted.embed(self.texts(world), role) for role in ROLES)

    def test_embed_has_its_protocol(self, component: Make, world: Dataset) -> None:
        """The method and ``dim`` are there."""
        assert isinstance(self.ready(component, world), Embedder)

    @pytest.mark.parametrize("role", ROLES)
    def test_embed_shape_and_dtype(self, component: Make, world: Dataset, role: Literal["query", "item"]) -> None:
        """(n, dim) float32, C-contiguous."""
        fitted = self.ready(component, world)
        got = fitted.embed(self.texts(world), role)
        assert got.shape == (len(world.items), fitted.dim)
        assert got.dtype == np.float32
        assert got.flags.c_contiguous

    def test_embed_unit_length(self, component: Make, world: Dataset) -> None:
        """Every vector has length 1, or is all zeros where no word is known."""
        for vectors in self.answer(self.ready(component, world), world):
            norms = np.linalg.norm(vectors, axis=1)
            assert (np.isclose(norms, 1, atol=1e-4) | (norms == 0)).all(), norms
            assert (norms > 0).mean() > 0.9, "most texts of the world have words"

    def test_embed_empty_batch(self, component: Make, world: Dataset) -> None:
        """No text gives a (0, dim) array."""
        fitted = self.ready(component, world)
        got = fitted.embed([], "item")
        assert got.shape == (0, fitted.dim)
        assert got.dtype == np.float32

    def test_embed_hostile_texts(self, component: Make, world: Dataset) -> None:
        """Nothing, noise, control characters, half a surrogate and very long texts give finite vectors."""
        fitted = self.ready(component, world)
        for role in ROLES:
            got = fitted.embed(HOSTILE, role)
            norms = np.linalg.norm(got, axis=1)
            assert np.isfinite(got).all()
            assert (np.isclose(norms, 1, atol=1e-4) | (norms == 0)).all(), norms

    def test_embed_single_equals_batch(self, component: Make, world: Dataset) -> None:
        """One text is a batch of one: padding and neighbours do not change a vector."""
        fitted, texts = self.ready(component, world), self.texts(world)[:12]
        texts.append(" ".join(texts))
        batch = fitted.embed(texts, "item")
        for i, text in enumerate(texts):
            assert np.allclose(fitted.embed([text], "item")[0], batch[i], atol=1e-4), f"text {i}: {text[:60]!r}"

    def test_embed_same_call_twice(self, component: Make, world: Dataset) -> None:
        """The second answer is the first."""
        fitted = self.ready(component, world)
        assert_same(self.answer(fitted, world), self.answer(fitted, world))

    def test_embed_leaves_inputs_alone(self, component: Make, world: Dataset) -> None:
        """The list of texts is as before the call."""
        texts = self.texts(world)
        before = list(texts)
        self.ready(component, world).embed(texts, "item")
        assert texts == before

    def test_embed_in_two_threads(self, component: Make, world: Dataset) -> None:
        """Two threads that embed at a time get what one gets."""
        fitted, texts = self.ready(component, world), self.texts(world)
        halves = [texts[:10], texts[10:20]]
        rounds = in_threads([partial(fitted.embed, half, "item") for half in halves])
        alone = [fitted.embed(half, "item") for half in halves]
        for answers in rounds:
            assert_same(answers, alone, "two threads")

    def test_embed_finds_by_title(self, component: Make, world: Dataset) -> None:
        """A title brings its own item into the first three."""
        if self.retrieval_floor is None:
            return
        fitted = self.ready(component, world)
        items = fitted.embed(self.texts(world), "item")
        queries = fitted.embed(world.items.titles, "query")
        best = np.argsort(-(queries @ items.T), axis=1, kind="stable")[:, :3]
        found = float((best == np.arange(len(items))[:, None]).any(axis=1).mean())
        assert found >= self.retrieval_floor, f"{found:.2f} of the titles"
