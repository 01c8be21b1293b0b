"""Webhooks: what is sent when a job is final, how it is signed, delivered and retried."""
