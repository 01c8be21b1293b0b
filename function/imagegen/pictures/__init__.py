"""Pictures that callers send. Only `decode` imports Pillow: the zip functions can check a picture without it."""
