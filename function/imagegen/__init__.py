"""Stable Diffusion on Lambda: one package for every function and every way to run it."""
