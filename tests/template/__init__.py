"""template.yaml after SAM's own translation: methods, roles and permissions exist only there."""
