"""template.yaml judged after SAM's own translation: much of what matters (methods, roles) exists only there."""
