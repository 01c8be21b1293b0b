"""What may be drawn: the moderation of prompts and pictures."""
