"""What a reducer of an app channel is told."""

from node.reducers.envelopes import envelope
from node.views.encoding import decode


def test_the_payload_is_a_value_inside_the_message() -> None:
    data = envelope(b"\1" * 32, 1, 1_700_000_000_000, ["take", 2])
    assert decode(data) == [b"\1" * 32, 1, 1_700_000_000_000, ["take", 2]]
