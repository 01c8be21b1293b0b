"""`make bench`: the handler everybody writes against ours, interleaved, and both against what the machine can do."""
