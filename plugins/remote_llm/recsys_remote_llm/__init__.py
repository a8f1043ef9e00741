"""Rerankers and explainers for recsys-engine that ask a server: OpenAI-compatible chat, Jina or Cohere rerank."""

from recsys_remote_llm.chat import RemoteChat
from recsys_remote_llm.client import Client, Reply
from recsys_remote_llm.errors import BadReply, CircuitOpen, Refused, RemoteError, TimedOut, Unreachable
from recsys_remote_llm.explain import RemoteWriter
from recsys_remote_llm.rerank import RemoteRerank
from recsys_remote_llm.settings import Server

__all__ = [
    "BadReply", "CircuitOpen", "Client", "Refused", "RemoteChat", "RemoteError", "RemoteRerank", "RemoteWriter",
    "Reply", "Server", "TimedOut", "Unreachable",
]  # fmt: skip
