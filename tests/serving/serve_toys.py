"""Serves the toys over a database of keys: ``python serve_toys.py '{"port": 0}'`` prints the address first."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from fastapi import APIRouter, FastAPI
from http_toys import Quiet, toys

from recsys.serving.app import create_app
from recsys.serving.run import serve
from recsys.serving.service import Shared
from recsys.serving.settings import ServiceConfig
from recsys.serving.sqlkeys import SqlKeys
from recsys.store.sql.database import Database


def build(config: ServiceConfig) -> FastAPI:
    more = APIRouter(prefix="/toys")

    @more.get("/pid")
    async def pid() -> int:
        return os.getpid()

    @more.get("/sign")
    async def sign(service: Shared) -> str:
        return service.signer.sign({"list_id": "l1"})

    @more.get("/read")
    async def read(token: str, service: Shared) -> dict[str, Any]:
        return service.signer.read(token)

    keys = SqlKeys(Database.open(config.database))
    return create_app(config, tenants=Quiet(), keys=keys, routers=[toys(), more])


if __name__ == "__main__":
    serve(ServiceConfig.of(json.loads(sys.argv[1])), build, told=lambda address: print(address, flush=True))
