"""Who is calling: the tenant behind a request."""
