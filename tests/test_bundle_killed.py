"""Writers that die or fail at any moment leave a complete version."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_toys import write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "bundle", 1)
    return tmp_path / "bundle"


CHILD = """
import json, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bundle_toys import fill, number_of, write
from recsys.bundle import open_bundle, write_bundle
path = Path(sys.argv[2])
FAILED, UNTOUCHED = 3, 4
os.fsync = lambda handle: None  # it guards against power cuts alone, and disks are slow

def forked(action):
    pid = os.fork()
    if pid:
        return pid
    try:
        os._exit(action() or 0)
    except OSError:
        os._exit(FAILED)

def step(number, strike):
    # Writes once; the number-th thing that Python asks of the file system is struck.
    count = 0
    def hook(event, args):
        nonlocal count
        if event == "open" or event.startswith(("os.", "shutil.", "fcntl.")):
            count += 1
            if count == number:
                strike()
    sys.addaudithook(hook)
    write(path, 1000 + number)
    return UNTOUCHED if count < number else 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def fail():
    raise OSError(28, "No space left on device")

def loop(first, pipe):
    for number in range(first, first + 100_000):
        write(path, number)
        os.write(pipe, b"%d\\n" % number)
"""


KILLED_ANYWHERE = (
    CHILD
    + """
chosen, rng, seen = 0, random.Random(0), set()
for kill in range(25):
    read, pipe = os.pipe()
    pid = forked(lambda: loop(number_of(open_bundle(path)) + 1, pipe))
    os.close(pipe)
    os.read(read, 1)  # at least one version is out
    time.sleep(rng.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    with os.fdopen(read) as told:
        reported = [int(line) for line in told.read().split() if line]
    number = number_of(open_bundle(path))
    # What was reported as written is never lost; the first digit of the first report was read above.
    assert number >= max(reported[1:], default=0), (number, reported)
    seen.add(number)
write(path, 10**6)
left = sorted(p.name for p in (path / "versions").iterdir())
print(json.dumps({"seen": len(seen), "left": len(left), "hidden": [n for n in left if n.startswith(".")]}))
"""
)


STRUCK_AT_EVERY_STEP = (
    CHILD
    + """
answer = {}
for name, strike in (("killed", die), ("failed", fail)):
    number, kept, changed, status = 0, 0, 0, None
    while status != UNTOUCHED << 8:
        number += 1
        before = number_of(open_bundle(path))
        status = os.waitpid(forked(lambda: step(number, strike)), 0)[1]
        # 0: struck while it removed an old version, which the next writer does again.
        assert status in (0, signal.SIGKILL, FAILED << 8, UNTOUCHED << 8), status
        after = number_of(open_bundle(path))
        assert after in (before, 1000 + number), (after, before, number)
        kept, changed = kept + (after == before), changed + (after != before)
    answer[name] = {"kept": kept, "changed": changed}
    write(path, 1)
    left = [p.name for p in (path / "versions").iterdir()]
    assert len(left) == 2 and not any(n.startswith(".") for n in left), left
print(json.dumps(answer))
"""
)


def run(script: str, path: Path) -> dict[str, dict[str, int]]:
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, dict[str, int]] = json.loads(done.stdout)
    return answer


def test_kill_at_random_moments_leaves_a_complete_version(path: Path) -> None:
    answer = run(KILLED_ANYWHERE, path)
    assert answer["seen"] == 25
    assert answer["left"] == 2
    assert answer["hidden"] == []


def test_kill_or_failure_at_every_step_leaves_a_complete_version(path: Path) -> None:
    answer = run(STRUCK_AT_EVERY_STEP, path)
    for name in ("killed", "failed"):
        # Before the pointer moved and after it: both must be among the steps that were struck.
        assert answer[name]["kept"] >= 15
        assert answer[name]["changed"] >= 3
