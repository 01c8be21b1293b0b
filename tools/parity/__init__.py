"""Compares `imagegen.engines.schedulers` with diffusers and writes docs/schedulers.md (`make parity`)."""
