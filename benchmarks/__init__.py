"""Speed and quality of recsys, measured by ``python -m benchmarks``; results are lines of JSON, tables follow them."""
