"""What the torch modules of the plug-ins have in common: their loss over what comes next, their weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def next_loss(wanted: Tensor, codes: Tensor, bias: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the cross-entropy of every next item among the candidates of `recsys.training.sequences.sampled`.

    ``wanted`` (p, d) after each event that teaches; ``codes`` (u, d) of the batch's items, candidates first;
    ``bias`` (n_items,) popularity. Source: sampled softmax, Jean et al. 2015 (arXiv 1412.2007), which SASRec gains
    by (Klenitskiy & Vasilev 2023, arXiv 2309.07602).
    """
    import torch

    count = len(batch["drawn"])
    free = (bias[batch["rows"][:count]] - batch["drawn"])[:, None]
    scores = torch.cat([wanted, torch.ones_like(wanted[:, :1])], 1) @ torch.cat([codes[:count], free], 1).T
    return torch.nn.functional.cross_entropy(scores, batch["next"])


def arrays(module: Any) -> dict[str, NDArray[Any]]:
    """Return the weights and constants of a module by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
