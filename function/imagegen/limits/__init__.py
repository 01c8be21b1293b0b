"""Limits: how often a tenant may call, and what its work may cost; and what it has used."""
