"""The project's own template on MiniStack: what `make serve`, `make run` and the e2e tests stand on."""
