"""`Client`: the methods and results of `recsys.engine.Engine` over HTTP, of a service elsewhere; and its async twin.

What a method sends and how its answer is read is written once, in `recsys.client.calls`; both classes are typed doors
to it. The library that speaks HTTP is the extra "client".
"""

from recsys.client.async_client import AsyncClient
from recsys.client.client import Client
from recsys.client.values import EventResult, Reranked

__all__ = ["AsyncClient", "Client", "EventResult", "Reranked"]
