"""Rerankers and explainers for recsys-engine that need no training: prompts for any causal model, and encoders."""
