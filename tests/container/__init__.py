"""The Dockerfile and the template in real containers, through SAM: `make test-container`. Skipped without an engine."""
