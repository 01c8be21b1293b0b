"""Draws the widgets of the stack's CloudWatch dashboard from a local run."""
