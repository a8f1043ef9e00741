"""Trainers and trained models for recsys-engine: list-wise reranker, personalised language model, LoRA."""
