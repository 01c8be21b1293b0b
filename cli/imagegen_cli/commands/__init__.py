"""The commands, one module per noun. They import what they need when they run: --help needs none of it."""
