"""Asynchronous work: a job's states, and the services for callers, workers and the sweeper."""
