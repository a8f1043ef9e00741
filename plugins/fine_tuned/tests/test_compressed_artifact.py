"""An artifact of `compressed` is what was saved, or it is refused; what is logged copies nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from recsys_fine_tuned.listwise import Listwise
from recsys_fine_tuned.listwise_shop import SHIPPED

from recsys.dataset import ItemTable
from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError
from recsys.protocols import Delta, Deps
from recsys.registry import Registry
from recsys.runtime.models import sha256_of
from recsys.testing.worlds import small_shop
from recsys.types import NO_ROWS, Events, Item

SHOP = small_shop()


def built(artifact: str, **options: object) -> Listwise:
    registry, told = Registry(), Deps(items=SHOP.items)
    deps = Deps(items=SHOP.items, build=lambda kind, asked: registry.build(kind, asked, told))
    made = registry.build("rerankers", {"use": "compressed", "artifact": artifact, **options}, deps)
    assert isinstance(made, Listwise)
    return made


@pytest.fixture(scope="module")
def shipped() -> Listwise:
    return built("package://recsys_fine_tuned/shop/reranker")


@pytest.fixture
def folder(shipped: Listwise, tmp_path: Path) -> Path:
    shipped.save(tmp_path)
    return tmp_path


def test_the_shipped_one_lists_its_files() -> None:
    about = json.loads((SHIPPED / "listwise.json").read_text(encoding="utf-8"))
    parts = {p.name for p in SHIPPED.iterdir() if p.suffix in (".npy", ".onnx", ".safetensors")}
    assert about["files"].keys() == parts
    assert about["heads"] == 3


def test_a_changed_file_is_refused(folder: Path) -> None:
    assert len(built(f"file://{folder}").learned.heads) == 3  # type: ignore[union-attr]
    graph = bytearray((folder / "rank.onnx").read_bytes())
    middle = len(graph) // 2
    graph[middle : middle + 4000] = bytes(4000)
    (folder / "rank.onnx").write_bytes(graph)
    with pytest.raises(ArtifactDamaged, match=r"rank\.onnx"):
        built(f"file://{folder}")


def test_a_head_that_is_gone_or_another_is_refused(folder: Path) -> None:
    last = (folder / "head2.safetensors").read_bytes()
    (folder / "head2.safetensors").write_bytes((folder / "head0.safetensors").read_bytes())
    with pytest.raises(ArtifactDamaged, match="head2"):
        built(f"file://{folder}")
    (folder / "head2.safetensors").unlink()
    with pytest.raises(ArtifactMissing, match="head2"):
        built(f"file://{folder}")
    # Nor does one of before, whose files are not listed, make do with what is left.
    (folder / "head2.safetensors").write_bytes(last)
    about = json.loads((folder / "listwise.json").read_text(encoding="utf-8"))
    del about["files"], about["heads"]
    (folder / "listwise.json").write_text(json.dumps(about), encoding="utf-8")
    assert len(built(f"file://{folder}").learned.heads) == 3  # type: ignore[union-attr]
    (folder / "head1.safetensors").unlink()
    with pytest.raises(ArtifactMissing, match="head1"):
        built(f"file://{folder}")


def test_a_head_that_is_not_listed_is_not_read(folder: Path) -> None:
    (folder / "head3.safetensors").write_bytes((folder / "head0.safetensors").read_bytes())
    assert len(built(f"file://{folder}").learned.heads) == 3  # type: ignore[union-attr]


def test_the_settings_may_say_which_artifact_it_is(folder: Path) -> None:
    right = sha256_of(folder / "listwise.json")
    assert built(f"file://{folder}", sha256=right, max_move=1).config.max_move == 1
    with pytest.raises(ArtifactDamaged):
        built(f"file://{folder}", sha256="0" * 64)
    with pytest.raises(ConfigError, match="sha256"):
        built("", sha256=right)


def test_an_event_copies_no_codes(shipped: Listwise) -> None:
    once = shipped.apply(Delta(items=SHOP.items, changed=NO_ROWS, events=Events.of([0, 1])))
    assert np.shares_memory(once.codes(), shipped.codes())
    more = ItemTable.of([*(Item(item_id=i, title=t) for i, t in zip(SHOP.items.ids, SHOP.items.titles, strict=True)),
                         Item(item_id="new", title="Anker headphones")])  # fmt: skip
    changed = np.array([len(SHOP.items)], np.int32)
    grown = once.apply(Delta(items=more, changed=changed, events=Events.of(())))
    assert grown.codes().shape[0] == len(SHOP.items) + 1
    assert grown.codes()[-1].any()
    np.testing.assert_array_equal(grown.codes()[:-1], shipped.codes())
