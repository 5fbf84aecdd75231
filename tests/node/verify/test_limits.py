"""The bounds of checking signatures fit together."""

from node.verify import limits


def test_no_worker_waits_for_the_next_batch_and_none_holds_a_second_of_work() -> None:
    assert limits.BATCHES_PER_WORKER >= 2
    held = limits.BATCHES_PER_WORKER * limits.BATCH_SIGNATURE_COUNT
    assert held * 50e-6 < 1 < limits.REPLY_TIMEOUT_S
    assert limits.BATCH_SIGNATURE_COUNT < limits.POOL_SIGNATURE_COUNT_MIN
