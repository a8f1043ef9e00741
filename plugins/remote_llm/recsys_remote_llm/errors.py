"""What can go wrong with a server.

::

    recsys.errors.RecsysError
    └── RemoteError          a server gave no answer that can be used
        ├── Unreachable          no connection, or it was lost
        ├── TimedOut             connected, and then silence
        ├── Refused              it answered with an error status
        ├── BadReply             what it answered is not what was asked for
        └── CircuitOpen          it failed so often that it is left alone for a while

Messages name the server and the status. They hold neither the key nor anything of the request or the reply.
"""

from __future__ import annotations

from recsys.errors import RecsysError


class RemoteError(RecsysError):
    """A server gave no answer that can be used."""


class Unreachable(RemoteError):
    """There is no connection, or it was lost before the answer was complete."""


class TimedOut(RemoteError):
    """The server was silent for longer than it may be."""


class Refused(RemoteError):
    """The server answered with an error status; ``wait_s`` is what it asked to wait, None if it did not."""

    def __init__(self, message: str, status: int, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait_s = wait_s


class BadReply(RemoteError):
    """The answer is too large, no JSON, or of another form than it should be."""


class CircuitOpen(RemoteError):
    """The server failed several times in a short while and is not asked for now."""
