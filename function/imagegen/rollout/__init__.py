"""What happens before a new version has traffic, and between requests: checks and warm-ups of deployed functions."""
