"""The service under load, as a process: ``python -m benchmarks.service_process``, its settings on standard input."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any


def main() -> int:
    """Serve until a signal ends it; the first line of the output is the address."""
    settings: dict[str, Any] = json.load(sys.stdin)
    if settings.pop("noop", False):
        noop(int(settings.get("workers", 1)))
        return 0
    from recsys.serving.main import build
    from recsys.serving.run import serve
    from recsys.serving.settings import ServiceConfig

    serve(ServiceConfig.of(settings), build, told=lambda address: print(address, flush=True))
    return 0


def noop(workers: int) -> None:
    """Serve an application that does nothing: what the framework and the driver can do at most."""
    import uvicorn

    listener = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sends at once only where the protocol is said
    listener.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    listener.set_inheritable(True)
    settings = uvicorn.Config(
        "benchmarks.service_process:nothing", factory=True, workers=workers, access_log=False, log_level="warning"
    )
    if workers > 1:
        from uvicorn.supervisors import Multiprocess

        Multiprocess(settings, sockets=[listener]).run()
    else:
        uvicorn.Server(settings).run(sockets=[listener])


def nothing() -> Any:
    """Return an application that reads a JSON body and answers a small one."""
    from fastapi import FastAPI

    app = FastAPI()

    async def answer(body: dict[str, Any]) -> dict[str, Any]:
        return {"read": len(body)}

    app.post("/v1/events")(answer)
    app.post("/v1/recommend")(answer)
    return app


if __name__ == "__main__":
    sys.exit(main())
