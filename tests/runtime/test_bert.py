import numpy as np
import pytest
import torch
import transformers

from recsys.errors import ShapeMismatch
from recsys.runtime.bert import bert_graph
from recsys.runtime.onnx import OnnxSession


@pytest.fixture(scope="module")
def model() -> transformers.BertModel:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, layer_norm_eps=1e-12,
    )  # fmt: skip
    made = transformers.BertModel(config, add_pooling_layer=False).eval()
    # Fresh biases are 0 and norms 1: give every weight a part in the answer.
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return made


def weights(model: transformers.BertModel) -> dict[str, np.ndarray]:
    return {name: w.detach().numpy() for name, w in model.state_dict().items()}


def test_equals_torch_on_a_ragged_batch(model: transformers.BertModel) -> None:
    session = OnnxSession(bert_graph(weights(model), layers=3, heads=4), threads=1)
    rng = np.random.default_rng(1)
    for batch, tokens in ((1, 1), (5, 17), (3, 40)):
        lengths = rng.integers(1, tokens + 1, batch)
        mask = (np.arange(tokens) < lengths[:, None]).astype(np.int32)
        ids = np.where(mask, rng.integers(0, 97, (batch, tokens)), 0).astype(np.int32)
        got = session.run({"input_ids": ids, "attention_mask": mask})["hidden"]
        with torch.inference_mode():
            want = model(
                input_ids=torch.from_numpy(ids).long(), attention_mask=torch.from_numpy(mask).long()
            ).last_hidden_state.numpy()
        assert np.abs(got - want)[mask == 1].max() < 1e-4


def test_a_missing_weight_is_named(model: transformers.BertModel) -> None:
    some = weights(model)
    del some["encoder.layer.1.output.dense.bias"]
    with pytest.raises(ShapeMismatch, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        bert_graph(some, layers=3, heads=4)
