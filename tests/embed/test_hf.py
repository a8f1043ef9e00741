from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import transformers

from recsys.embed.hf import HuggingFace
from recsys.errors import ArtifactMissing, ConfigError, ModelError
from recsys.protocols import Deps
from recsys.testing.kits import EmbedderTests
from recsys.testing.worlds import small_shop

LONG = "a wooden train set and a painted kite for the garden of the children " * 20
TEXTS = ["kettle", "a red steel kettle", "", LONG]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and a word-piece tokeniser learned from the small shop."""
    place = tmp_path_factory.mktemp("models") / "tiny"
    items = small_shop().items
    wordpiece = tokenizers.BertWordPieceTokenizer(lowercase=True)
    wordpiece.train_from_iterator(
        [items.text(r) for r in range(len(items))], vocab_size=300, min_frequency=1, show_progress=False
    )
    fast = transformers.BertTokenizerFast(tokenizer_object=wordpiece._tokenizer)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(place)
    fast.save_pretrained(place)
    return place


def config(folder: Path, **options: object) -> HuggingFace.Config:
    return HuggingFace.Config(model=f"file://{folder}", **{"max_tokens": 32, **options})


class TestHuggingFace(EmbedderTests):
    retrieval_floor = None  # random weights

    @pytest.fixture
    def component(self, folder: Path):
        return lambda: HuggingFace(config(folder))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_equals_transformers(folder: Path, pooling: str) -> None:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    pooled = hidden[:, 0] if pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)
    want = torch.nn.functional.normalize(pooled).numpy()
    want[2] = 0
    got = HuggingFace.from_config(config(folder, pooling=pooling), Deps()).embed(TEXTS, "item")
    assert np.abs(got - want).max() < 1e-4


def test_prefixes_by_role(folder: Path) -> None:
    plain = HuggingFace(config(folder))
    asking = HuggingFace(config(folder, query_prefix="kettle ", item_prefix="rake "))
    assert np.allclose(asking.embed(["pan"], "query"), plain.embed(["kettle pan"], "query"), atol=1e-5)
    assert np.allclose(asking.embed(["pan"], "item"), plain.embed(["rake pan"], "item"), atol=1e-5)
    assert not asking.embed([" "], "item").any()


def test_identity_follows_content_and_settings(folder: Path, tmp_path: Path) -> None:
    import shutil

    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    one = HuggingFace(config(folder)).model_id
    assert one == HuggingFace(config(copied)).model_id
    assert one != HuggingFace(config(folder, pooling="cls")).model_id
    assert one != HuggingFace(config(folder, query_prefix="query: ")).model_id
    torch.manual_seed(1)
    transformers.BertModel(transformers.BertConfig.from_pretrained(copied)).save_pretrained(copied)
    assert one != HuggingFace(config(copied)).model_id


def test_refs_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="package:// or hf://"):
        HuggingFace(HuggingFace.Config(model="org/name"))
    with pytest.raises(ArtifactMissing):
        HuggingFace(config(tmp_path / "none")).embed(["a"], "item")
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFace(config(tmp_path)).embed(["a"], "item")


def test_a_hub_model_comes_from_the_hub_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The border to the hub is ``from_pretrained``: asked for the name and revision, never for remote code."""
    asked = []
    want = HuggingFace(config(folder)).embed(["kettle"], "item")
    for loader in (transformers.AutoModel, transformers.AutoTokenizer):
        real = loader.from_pretrained

        def answer(place: str, _real=real, **options: object) -> object:
            asked.append((place, options["revision"], options["trust_remote_code"]))
            return _real(folder, **{k: v for k, v in options.items() if k != "revision"})

        monkeypatch.setattr(loader, "from_pretrained", answer)
    hub = HuggingFace(HuggingFace.Config(model="hf://org/name@v2"))
    assert np.allclose(hub.embed(["kettle"], "item"), want, atol=1e-6)
    assert asked == [("org/name", "v2", False)] * 2
    assert hub.model_id.startswith("hf:hf://org/name@v2:")
