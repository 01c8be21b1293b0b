"""Tests promises R1 to R8, R12, R13 and R16 under injected faults: `make faults SEED=n SCALE=x`. See docs/faults.md."""
