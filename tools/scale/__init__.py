"""Simulates the parts whose limits docs/scale.md has: `python -m tools.scale`, or `make scale`.

The product's own sweep, recovery, outbox, job store, delivery, slots and retries run on a virtual clock. Simulated are
the table (`table.py`, with DynamoDB's limit for one key), the queues, the CPU and the latency of each call. Everything
is seeded: two runs print the same figures.
"""
