"""The list-wise model in torch: texts to codes, histories to what comes next, lists to scores."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recsys.runtime.layers import NEVER
from recsys.training.modules import next_loss


class Block(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """A pre-norm transformer layer (Xiong et al. 2020, arXiv 2002.04745) with an additive mask."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Return (b, n, d); ``bias`` (b, 1, n or 1, n) is added to the attention scores."""
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // self.heads) + bias, dim=-1)
        read = (self.dropout(weights) @ v).transpose(1, 2).reshape(b, n, d)
        x = x + self.dropout(self.out(read))
        return x + self.dropout(self.down(self.dropout(F.gelu(self.up(self.norm2(x))))))


class TextEncoder(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """Next item from texts alone, as UniSRec (Hou et al. 2022, arXiv 2206.05941) and SASRec (arXiv 1808.09781).

    `codes` turns an item's k vectors into one of ``width``; `wanted` turns the codes of a history into one vector
    for each place of it, whose product with a code says how well that item follows. ``bias`` (one number an item) is
    popularity: it takes part in training only, so that it is not learned into the texts.

    With ``known`` (n,) an item of it has a vector of its own, too, that is added to its code; ``text_alone`` is how
    often it is left out while training, so that the texts can speak for items of which nothing else is known.
    """

    def __init__(
        self, texts: Tensor, projection: Tensor, mean: Tensor, *, width: int, layers: int, heads: int, history: int,
        dropout: float, known: Tensor | None = None, text_alone: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        inner = projection.shape[1]
        # Texts of the catalogue, projected once: fixed, and too large to be written with every checkpoint.
        self.register_buffer("texts", (texts - mean) @ projection, persistent=False)
        self.register_buffer("mean", mean)
        self.register_buffer("projection", projection)
        self.thin, self.light = nn.Dropout(dropout), nn.Dropout(dropout / 2)
        self.one, self.two, self.straight = nn.Linear(inner, inner), nn.Linear(inner, width), nn.Linear(inner, width)
        self.read, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.place = nn.Parameter(torch.randn(history, width))
        self.blocks = nn.ModuleList(Block(width, heads, 2 * width, dropout) for _ in range(layers))
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(torch.zeros(len(texts)))
        self.width, self.history, self.text_alone = width, history, text_alone
        if known is not None:
            self.register_buffer("known", known.float()[:, None], persistent=False)
            self.own = nn.Parameter(0.1 * torch.randn(len(texts), width) * self.known)

    def items(self, rows: Tensor) -> Tensor:
        """Return (u, width) of item rows (u,): their codes, and what is their own."""
        made = self.codes(self.texts[rows])
        if not hasattr(self, "own"):
            return made
        own = self.own[rows] * self.known[rows]
        if self.training and self.text_alone:
            own = own * (torch.rand(len(rows), 1) > self.text_alone)
        return made + own

    def codes(self, projected: Tensor) -> Tensor:
        """Return (n, width) of projected texts (n, inner)."""
        hidden = self.two(self.light(F.gelu(self.one(self.light(projected)))))
        made: Tensor = hidden + self.straight(projected)
        return made

    def wanted(self, codes: Tensor, mask: Tensor) -> Tensor:
        """Return (b, h, width) after each event of histories (b, h, width), oldest first, padded at the end."""
        h = codes.shape[1]
        later = torch.triu(torch.full((h, h), NEVER, dtype=codes.dtype), 1)
        bias = later[None, None] + (1 - mask[:, None, None]) * NEVER
        x = self.thin(self.read(codes) + self.place[:h])
        for block in self.blocks:
            x = block(x, bias)
        out: Tensor = self.last(x) * (self.scale / math.sqrt(self.width))
        return out

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the cross-entropy of every next item among candidates that were drawn.

        The batch is one of `recsys.training.sequences.sampled`.
        """
        made = self.items(batch["rows"])
        wanted = self.wanted(made[batch["inverse"]], batch["mask"])[batch["learn"].bool()]
        return {"loss": next_loss(wanted, made, self.bias, batch)}


class ListHead(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """Scores of a list from its features, read together; the candidates have no order among themselves.

    What it adds to the prior starts at zero, so that an untrained head changes nothing. Features are standardised
    by what `fit_scale` saw.
    """

    def __init__(self, features: int, *, width: int, layers: int, heads: int, dropout: float, blank: float) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.into, self.more = nn.Linear(features, width), nn.Linear(width, width)
        self.thin, self.blank = nn.Dropout(dropout), blank
        self.blocks = nn.ModuleList(Block(width, heads, 2 * width, dropout) for _ in range(layers))
        self.last, self.out = nn.LayerNorm(width), nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.trust = nn.Parameter(torch.tensor(1.0))

    def fit_scale(self, features: Tensor, mask: Tensor) -> None:
        """Remember mean and spread of each feature (b, n, f)."""
        seen = features[mask.bool()]
        self.centre.copy_(seen.mean(dim=0))
        spread = seen.std(dim=0, unbiased=False)
        # What was always the same says nothing: a small difference later must not become a large one.
        self.spread.copy_(torch.where(spread > 1e-3, spread, torch.ones_like(spread)))

    def forward(self, features: Tensor, prior: Tensor, mask: Tensor) -> Tensor:
        """Return (b, n) scores; `NEVER` where there is no item."""
        x = ((features - self.centre) / self.spread).clamp(-5, 5) * mask[..., None]
        if self.training and self.blank:
            # A feature is missing for a whole list at a time, as it is where a generator failed.
            x = x * (torch.rand(x.shape[0], 1, x.shape[2]) > self.blank)
        x = self.into(x)
        x = x + self.more(self.thin(F.gelu(x)))
        bias = ((1 - mask) * NEVER)[:, None, None]
        for block in self.blocks:
            x = block(x, bias)
        scores = self.trust * prior + self.out(self.last(x)).squeeze(-1)
        return scores + (1 - mask) * NEVER

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the list-wise softmax loss (Cao et al. 2007) of "features", "prior", "mask", "labels"."""
        scores = self(batch["features"], batch["prior"], batch["mask"])
        return {"loss": list_loss(scores, batch["labels"])}


def list_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over lists of -sum of label shares x log softmax."""
    share = labels / labels.sum(dim=1, keepdim=True).clamp(min=1e-6)
    return -(torch.log_softmax(scores, dim=1) * share).sum(dim=1).mean()
