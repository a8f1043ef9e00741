"""From texts to unit vectors with a transformer, as every embedder here does it: see `recsys.runtime.encoder`."""

from recsys.runtime.encoder import BATCH_TOKENS, Encoder, Tokenise
from recsys.runtime.sentences import Pooling

__all__ = ["BATCH_TOKENS", "Encoder", "Pooling", "Tokenise"]
