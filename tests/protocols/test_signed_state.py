"""Whether everybody signed."""

from protocols.signed_state import SignedState
from tests.support.vectors import golden_state


def test_a_state_is_signed_by_all_once_no_signature_is_missing() -> None:
    state = golden_state()
    assert SignedState(state, (b"\x01" * 65, b"\x02" * 65)).is_signed_by_all
    assert not SignedState(state, (b"\x01" * 65, b"")).is_signed_by_all
