"""What a month of images costs, on this stack and elsewhere. Arithmetic on dated files; nothing is sent."""
