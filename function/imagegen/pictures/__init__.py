"""Pictures that callers send. Only `decode` imports Pillow, so that the zip functions can check a picture without it."""
