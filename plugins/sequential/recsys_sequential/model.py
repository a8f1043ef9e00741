"""The sequence model in torch: items to codes, histories to what comes next."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recsys.runtime.layers import NEVER
from recsys.training.modules import next_loss


class Block(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """A pre-norm layer; ``gated`` makes it one of LiGR: both halves pass a gate, and the inner one is a SwiGLU.

    Which of the earlier events is read may depend on how far back it is: one number a head and distance
    (Shaw et al. 2018, arXiv 1803.02155). Nothing depends on where a history begins, so that a state that was kept
    can be gone on with. LiGR: Borisyuk et al. 2025 (arXiv 2502.03417), as in eSASRec (RecSys 2025).
    """

    def __init__(self, width: int, heads: int, inner: int, dropout: float, reach: int, gated: bool) -> None:
        super().__init__()
        self.heads, self.gated, self.drop = heads, gated, nn.Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, (2 if gated else 1) * inner), nn.Linear(inner, width)
        self.distance = nn.Parameter(torch.zeros(heads, reach))
        if gated:
            self.gate1, self.gate2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, far: Tensor, bias: Tensor) -> Tensor:
        """Return (b, h, d); ``far`` (h, h) distances, ``bias`` (1, 1, h, h) added to the attention scores."""
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        near = qkv[0] @ qkv[1].transpose(-1, -2) / math.sqrt(d // self.heads)
        weights = torch.softmax(near + self.distance[:, far] + bias, dim=-1)
        read = self.drop(self.out((self.drop(weights) @ qkv[2]).transpose(1, 2).reshape(b, n, d)))
        x = x + (read * torch.sigmoid(self.gate1(x)) if self.gated else read)
        made = self.up(self.norm2(x))
        if self.gated:
            left, right = made.chunk(2, dim=-1)
            inner = self.drop(self.down(self.drop(F.silu(left) * right)))
            return x + inner * torch.sigmoid(self.gate2(x))
        return x + self.drop(self.down(self.drop(F.gelu(made))))


class SequenceModel(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """SASRec (Kang & McAuley 2018, arXiv 1808.09781) over items that are an own vector plus what their text says.

    ``features`` (n, f) are fixed; ``own`` is learned for the items of ``known`` (n,) alone, so that an item that
    nobody chose yet is scored from its text as well as can be, not as one that was never wanted. While training, own
    vectors are left out now and then (``blank``): the texts have to be able to speak for themselves. ``bias``
    (n,) is popularity.
    """

    def __init__(
        self, features: Tensor, known: Tensor, *, width: int, layers: int, heads: int, reach: int, dropout: float,
        blank: float, gated: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        n, given = features.shape
        # Fixed, and too large to be written with every checkpoint.
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("known", known.to(features.dtype)[:, None], persistent=False)
        self.width, self.reach, self.blank = width, reach, blank
        self.own = nn.Embedding(n, width)
        nn.init.normal_(self.own.weight, std=0.1 if given else 0.5)
        self.bias = nn.Parameter(torch.zeros(n))
        self.thin, self.light = nn.Dropout(dropout), nn.Dropout(dropout / 2)
        if given:
            self.one, self.straight = nn.Linear(given, 2 * width), nn.Linear(given, width)
            self.two = nn.Linear(2 * width, width)
        self.read, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, 2 * width, dropout, reach, gated) for _ in range(layers))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def codes(self, rows: Tensor) -> Tensor:
        """Return (k, width) of item rows (k,)."""
        own = self.own(rows) * self.known[rows]
        if not self.features.shape[1]:
            return own
        if self.training and self.blank:
            own = own * (torch.rand(len(rows), 1, device=own.device) > self.blank)
        given = self.features[rows]
        said = self.two(self.light(F.gelu(self.one(self.light(given))))) + self.straight(given)
        return said + own

    def wanted(self, codes: Tensor) -> Tensor:
        """Return (b, h, width) after each event of histories (b, h, width), oldest first, padded at the end."""
        h = codes.shape[1]
        place = torch.arange(h, device=codes.device)
        far = (place[:, None] - place[None]).clamp(0, self.reach - 1)
        bias = torch.triu(codes.new_full((h, h), NEVER), 1)[None, None]
        x = self.thin(self.read(codes))
        for block in self.blocks:
            x = block(x, far, bias)
        out: Tensor = self.last(x) * (self.scale / math.sqrt(self.width))
        return out

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the cross-entropy of every next item among candidates that were drawn.

        The batch is one of `recsys.training.sequences.sampled`.
        """
        made = self.codes(batch["rows"])
        wanted = self.wanted(made[batch["inverse"]])[batch["learn"]]
        return {"loss": next_loss(wanted, made, self.bias, batch)}
