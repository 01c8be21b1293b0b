"""Asynchronous jobs: their states, and the services for callers, workers and the sweeper."""
