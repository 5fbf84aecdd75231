"""The bounds of an audit fit together."""

from node.audit import limits
from node.verify.limits import BATCHES_PER_WORKER


def test_what_waits_keeps_the_workers_of_a_small_machine_busy() -> None:
    assert limits.UNSETTLED_COUNT_MAX >= 4 * BATCHES_PER_WORKER


def test_a_chunk_of_the_index_fits_into_what_is_compared_at_once() -> None:
    assert 4 * limits.INDEX_CHUNK_RECORD_COUNT <= limits.COMPARED_KEY_COUNT_MAX
