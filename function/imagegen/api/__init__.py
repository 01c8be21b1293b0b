"""The HTTP contract: strict JSON bodies, headers, problem documents and routes."""
