"""A cache and counters in Redis or Valkey, where the owner runs one. The stores of imagegen.aws stay the truth."""
