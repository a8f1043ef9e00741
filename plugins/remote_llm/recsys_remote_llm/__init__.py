"""Rerankers and explainers for recsys-engine that ask a server: OpenAI-compatible chat, Jina or Cohere rerank."""
