"""What the bounds must be to each other."""

from node.log_views import limits
from node.store.record import CHAIN_SIZE_BYTES
from protocols.abi import ENCODED_STATE_SIZE_BYTES_MAX


def test_a_message_holds_the_largest_record_and_the_largest_batch() -> None:
    assert limits.RECORD_SIZE_BYTES_MAX > 2 * ENCODED_STATE_SIZE_BYTES_MAX + CHAIN_SIZE_BYTES
    assert limits.NODE_BUDGET.message_bytes > limits.BATCH_SIZE_BYTES_MAX
    assert limits.NODE_BUDGET.row_bytes < limits.NODE_BUDGET.reply_bytes
    assert limits.NODE_BUDGET.reply_bytes < limits.NODE_BUDGET.memory_bytes
