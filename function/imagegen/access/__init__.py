"""Access: the tenant of a request."""
