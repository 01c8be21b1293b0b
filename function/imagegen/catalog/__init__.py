"""Which models exist: the registry, and the manifest of each prepared model folder."""
