"""The store's bounds fit each other."""

from node.store.limits import TREE_KEPT_COUNT_MAX, TREE_SLICE_COUNT_MAX, TREE_UNWRITTEN_COUNT_MAX
from protocols.mountain_range import BLOCK_LEAF_COUNT


def test_a_slice_is_whole_blocks_and_leaves_room_for_what_comes_meanwhile() -> None:
    assert TREE_SLICE_COUNT_MAX % BLOCK_LEAF_COUNT == 0
    assert 4 * TREE_SLICE_COUNT_MAX <= TREE_KEPT_COUNT_MAX
    assert 2 * TREE_SLICE_COUNT_MAX // BLOCK_LEAF_COUNT < TREE_UNWRITTEN_COUNT_MAX
