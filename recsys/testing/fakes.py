"""Small components that really work, for tests of what is built on top of them, and one that always fails."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.errors import RecsysError
from recsys.types import Request, Slates, Vectors

WORD = re.compile(r"\w+")


class HashEmbedder:
    """An embedder that needs no fit: each word adds 1 at a place given by its hash; the sum has unit length.

    Texts with the same words have the same vector, on every machine. A text without a word is all zeros.
    """

    def __init__(self, dim: int = 256) -> None:
        self._dim = dim

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` float32; both roles are the same."""
        out = np.zeros((len(texts), self._dim), dtype=np.float32)
        for i, text in enumerate(texts):
            for word in WORD.findall(text.lower()):
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                out[i, int.from_bytes(digest, "little") % self._dim] += 1.0
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        unit: Vectors = np.divide(out, norms, out=out, where=norms > 0)
        return unit


class Failing:
    """A generator, ranker, embedder and index that raises on every call: for tests of degradation.

    ``calls`` names the methods that were asked, so that a test can tell "failed" from "was never reached".
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or RecsysError("made to fail")
        self.calls: list[str] = []
        self.dim = 8

    def _fail(self, name: str) -> Any:
        self.calls.append(name)
        raise self.error

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Raise."""
        return self._fail("generate")  # type: ignore[no-any-return]

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Raise."""
        return self._fail("score")  # type: ignore[no-any-return]

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Raise."""
        return self._fail("rank")  # type: ignore[no-any-return]

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Raise."""
        return self._fail("contributions")

    def embed(self, texts: Sequence[str], role: str) -> Vectors:
        """Raise."""
        return self._fail("embed")  # type: ignore[no-any-return]

    def search(self, queries: Vectors, n: int, allowed: Any) -> Any:
        """Raise."""
        return self._fail("search")


class Recording:
    """Passes every call on to ``inner`` and keeps it: ``calls`` holds (method, positional arguments)."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def recorded(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args))
            return found(*args, **kwargs)

        return recorded

    def asked(self, name: str) -> int:
        """Return how often the method ``name`` was called."""
        return sum(called == name for called, _ in self.calls)


class ByteTokens:
    """A tokenizer that needs no file: a text's UTF-8 bytes, behind three control tokens that no text can spell."""

    vocabulary = 259

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the ids of a text, (t,)."""
        return np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) + 3

    trusted = encode

    def encode_all(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return `encode` of every text."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int] | NDArray[np.int64]) -> str:
        """Return the text of ids; halves of characters become U+FFFD."""
        return bytes(int(i) - 3 for i in ids if i >= 3).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class FakeReply:
    """What `FakeCausalLM` writes: see `recsys.runtime.decoding.Reply`."""

    text: str
    ids: NDArray[np.int64]
    logprob: float
    reason: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class _Sizes:
    vocabulary: int = ByteTokens.vocabulary
    hidden: int = 8
    bos: int | None = 1
    eos: tuple[int, ...] = (2,)


class FakeCausalLM:
    """Stands where a `recsys.runtime.causal.CausalLM` does and answers without a model, the same to the same question.

    ``generate`` gives the ``replies`` one after the other, prompt by prompt, or what ``answer`` makes of the prompt's
    text; likelihoods are drawn from a hash of what was read. ``prompts`` keeps the texts of all that was asked.
    A constraint is not obeyed: replies may be as hostile as a test wants them.
    """

    def __init__(
        self,
        replies: Sequence[str] = (),
        *,
        answer: Callable[[str], str] | None = None,
        max_tokens: int = 1 << 16,
        reason: str = "stop",
    ) -> None:
        self.tokens, self.architecture, self.max_tokens = ByteTokens(), _Sizes(), max_tokens
        self.prompts: list[str] = []
        self._replies, self._answer, self._reason = deque(replies), answer, reason
        self._lock = Lock()

    def _read(self, prompt: Any) -> str:
        text = "".join(self.tokens.decode(piece) for piece in prompt.pieces)
        with self._lock:
            self.prompts.append(text)
        return text

    def _drawn(self, prefix: Any, continuation: Any, what: str, n: int) -> NDArray[np.float32]:
        asked = f"{what}\0{self._read(prefix)}\0{self._read(continuation)}".encode("utf-8", "replace")
        seed = int.from_bytes(hashlib.blake2b(asked, digest_size=8).digest(), "little")
        return np.random.default_rng(seed).standard_normal(n).astype(np.float32)

    def score(
        self, prefixes: Sequence[Any], continuations: Sequence[Sequence[Any]], *, mean: bool = True,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:  # fmt: skip
        """Return a number below 0 for each continuation."""
        return [
            np.array([-abs(self._drawn(p, c, "score", 1)[0]) for c in group], np.float32)
            for p, group in zip(prefixes, continuations, strict=True)
        ]

    def choice_logits(
        self, prefixes: Sequence[Any], continuations: Sequence[Sequence[Any]], ids: NDArray[np.int64], *,
        deadline: float | None = None,
    ) -> list[NDArray[np.float32]]:  # fmt: skip
        """Return (n_i, len(ids)) numbers for each prefix."""
        return [
            np.array([self._drawn(p, c, "choice", len(ids)) for c in group], np.float32).reshape(-1, len(ids))
            for p, group in zip(prefixes, continuations, strict=True)
        ]

    def generate(self, prompts: Sequence[Any], *, max_new_tokens: int, **rules: Any) -> list[FakeReply]:
        """Return the next reply for each prompt; stop strings end it. Raises `RecsysError` when none is left."""
        return [self._reply(prompt, rules.get("stop", ())) for prompt in prompts]

    def _reply(self, prompt: Any, stop: Sequence[str]) -> FakeReply:
        read = self._read(prompt)
        if self._answer is not None:
            text = self._answer(read)
        else:
            with self._lock:
                if not self._replies:
                    raise RecsysError("FakeCausalLM has no reply left")
                text = self._replies.popleft()
        for mark in stop:
            text = text.partition(mark)[0]
        ids = self.tokens.encode(text)
        return FakeReply(text, ids, 0.0, self._reason, len(prompt), len(ids))

    def warm_up(self) -> None:
        """Do nothing: there is nothing to set up."""

    def forget(self, tag: str) -> int:
        """Return 0: nothing is kept."""
        return 0
