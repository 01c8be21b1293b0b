"""Local stack: template.yaml deployed on MiniStack, for `make serve`, `make run` and the end-to-end tests."""
