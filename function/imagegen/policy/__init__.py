"""Moderation of prompts and pictures, and content credentials."""
