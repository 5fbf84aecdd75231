"""Bounds of the store: value, unit, why."""

TREE_KEPT_COUNT_MAX = 16_384
"""Chain hashes of new records that wait in memory for their place in the tree: one and a half
megabytes. Beyond it they are read from the log again, which costs a third more."""

TREE_SLICE_COUNT_MAX = 512
"""Records that are taken into the tree at once: about a millisecond, and nothing else is done."""

TREE_UNWRITTEN_COUNT_MAX = 4_096
"""Nodes of the tree that wait for a batch to be written with: those over 130,000 records. Only a
tree that is built anew has so many; then they get a write of their own."""

REDUCER_COUNT_MAX = 1_024
"""Reducers in a backup: as many as a node may have installed."""

REDUCER_SIZE_BYTES_MAX = 128 * 1024
"""Of the code of one: a larger module is never installed."""

assert TREE_SLICE_COUNT_MAX <= TREE_KEPT_COUNT_MAX
