"""Text to vectors: embedders, their disk cache, exact nearest vectors, and the words that BM25 and LSA share."""
