"""What a reducer of an app channel is told."""

from node.reducers.envelopes import envelope, opening
from node.views.encoding import decode, uint256


def test_the_payload_is_a_value_inside_the_message() -> None:
    data = envelope(b"\1" * 32, 1, 1_700_000_000_000, ["take", 2])
    assert decode(data) == [b"\1" * 32, 1, 1_700_000_000_000, ["take", 2]]


def test_before_the_first_message_it_is_told_who_paid_what() -> None:
    data = opening(b"\1" * 32, (60, 40))
    assert decode(data) == [b"\1" * 32, None, 0, [uint256(60), uint256(40)]]
