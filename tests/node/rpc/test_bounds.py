"""The bounds hold together."""

from node.rpc import bounds


def test_every_bound_is_a_positive_number() -> None:
    values = {name: value for name, value in vars(bounds).items() if name.isupper()}
    assert len(values) > 15
    assert all(value > 0 for value in values.values())


def test_a_full_batch_of_payments_fits_into_one_message() -> None:
    payment = 300
    assert bounds.BATCH_COUNT_MAX * payment < bounds.REQUEST_SIZE_BYTES_MAX


def test_all_connections_together_hold_a_bounded_amount_of_memory() -> None:
    one = bounds.REQUEST_SIZE_BYTES_MAX + 2 * bounds.OUTGOING_SIZE_BYTES_MAX
    assert bounds.CONNECTION_COUNT_MAX * one < 512 * 1024 * 1024
