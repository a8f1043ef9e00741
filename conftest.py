"""Fixtures for all tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would be a timed test: it fails where the machine is busy, not where the code is wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# OpenMP's waiting threads spin by default: on few cores, several test processes at once, that is most of the time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the public data sets: RECSYS_DATA, else the data beside the checkout."""
    beside = Path(__file__).resolve().parents[1] / "shared" / "data"
    folder = Path(os.environ.get("RECSYS_DATA", beside))
    if not folder.is_dir():
        pytest.skip("public data sets are not here: set RECSYS_DATA to their folder")
    return folder


Work = Callable[[], object]


@pytest.fixture
def race() -> Callable[[Sequence[Work], Sequence[Work]], None]:
    """Run writers once and readers again and again beside them, each in a thread; what one of them raises is raised."""

    def run(writers: Sequence[Work], readers: Sequence[Work]) -> None:
        done = threading.Event()

        def reading(read: Work) -> None:
            try:
                while not done.is_set():
                    read()
            except BaseException:  # the other readers end, and it is raised again: the test fails by it
                done.set()
                raise

        with ThreadPoolExecutor(len(writers) + len(readers)) as pool:
            reads = [pool.submit(reading, read) for read in readers]
            writes = [pool.submit(write) for write in writers]
            found = [write.exception() for write in writes]
            done.set()
            found += [read.exception() for read in reads]
        for error in found:
            if error is not None:
                raise error

    return run
