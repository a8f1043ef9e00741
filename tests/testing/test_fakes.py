import numpy as np
import pytest

from recsys.errors import DataError, RecsysError
from recsys.protocols import CandidateGenerator, Embedder, Index, Ranker
from recsys.testing.fakes import Failing, HashEmbedder, Recording
from recsys.types import Request, Slates

CALLS = {
    "generate": ([], 3),
    "score": ([], Slates.of([])),
    "rank": ([], Slates.of([]), 3),
    "contributions": ([], Slates.of([])),
    "embed": (["a"], "item"),
    "search": (np.zeros((1, 8), np.float32), 3, None),
}


def test_hash_embedder_is_the_same_on_every_machine():
    vector = HashEmbedder(16).embed(["Red kettle"], "item")[0]
    assert np.flatnonzero(vector).tolist() == HashEmbedder(16).embed(["kettle RED"], "query")[0].nonzero()[0].tolist()
    # blake2b is fixed, so these places are too.
    assert np.flatnonzero(vector).tolist() == [8, 13]


def test_failing_fits_every_protocol_and_fails_in_each():
    fake = Failing()
    assert isinstance(fake, CandidateGenerator)
    assert isinstance(fake, Ranker)
    assert isinstance(fake, Embedder)
    assert isinstance(fake, Index)
    for name, args in CALLS.items():
        with pytest.raises(RecsysError, match="made to fail"):
            getattr(fake, name)(*args)
    assert fake.calls == list(CALLS)


def test_failing_raises_what_it_is_given():
    with pytest.raises(DataError, match="of mine"):
        Failing(DataError("of mine")).rank([], Slates.of([]), 1)


def test_recording_passes_on_and_remembers():
    recorded = Recording(HashEmbedder(16))
    got = recorded.embed(["a"], "item")
    assert np.array_equal(got, HashEmbedder(16).embed(["a"], "item"))
    assert recorded.dim == 16
    assert recorded.calls == [("embed", (["a"], "item"))]
    assert (recorded.asked("embed"), recorded.asked("rank")) == (1, 0)
    with pytest.raises(AttributeError):
        recorded.rank([Request()], Slates.of([[]]), 1)
