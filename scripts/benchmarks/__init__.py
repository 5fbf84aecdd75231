"""What `scripts/bench.py` measures: the machine's limits, and this node beside them."""
