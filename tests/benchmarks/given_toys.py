"""Lists of given candidates and an embedder, small enough to be understood."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from pydantic import BaseModel

from recsys.data.given import INFO_KEY, Given
from recsys.dataset import Dataset


class Spelt:
    """A text's vector is the sum of its words', each drawn by its checksum."""

    class Config(BaseModel):
        use: str = ""

    dim = 16

    @classmethod
    def from_config(cls, config, deps):
        return cls()

    def embed(self, texts, role):
        out = np.zeros((len(texts), self.dim), np.float32)
        for i, text in enumerate(texts):
            for word in text.lower().split():
                out[i] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.dim)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def with_lists(data: Dataset, every: int, rng: np.random.Generator, remark: str = "") -> Dataset:
    """Return the data with a list of 8 items for one shopper of ``every``: the last choice among random others."""
    users, rows = [], []
    for user in range(0, data.log.n_users, every):
        target = int(data.log.history(user).rows[-1])
        others = [i for i in rng.permutation(len(data.items)).tolist() if i != target][:7]
        users.append(data.log.users[user])
        rows.append(rng.permutation([target, *others]))
    return replace(data, info={**data.info, INFO_KEY: Given(tuple(users), np.array(rows, np.int32), remark)})
