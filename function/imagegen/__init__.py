"""Stable Diffusion on Lambda: one package for every Lambda function and for every other way to run the service."""

__version__ = "0.1.0"
