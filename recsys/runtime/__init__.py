"""Running models: one session interface over ONNX Runtime and torch, references to models, content hashes."""
