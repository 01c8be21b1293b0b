"""The promises R1 to R8 under faults: `make faults SEED=n SCALE=x`; architecture in docs/faults.md."""
