from __future__ import annotations

import msgspec
import pytest

from node.p2p.errors import (
    PeerError,
    RefusedByPeer,
    SelfConnection,
    UnexpectedFrame,
    WrongAdjudicator,
    WrongChain,
    WrongHelloAddress,
    WrongProtocolVersion,
)
from node.p2p.framing import Ack, ErrorFrame
from node.p2p.hello import Identity, check_hello
from tests.support.peer_nodes import HIGH, LOW, MIDDLE

OURS = Identity(31_337, b"\xad" * 20, LOW.address)
THEIRS = Identity(31_337, b"\xad" * 20, HIGH.address)
GOOD = THEIRS.hello(12)


def test_a_hello_that_agrees_in_everything_is_accepted() -> None:
    assert check_hello(GOOD, OURS, HIGH.address) is GOOD
    assert GOOD.received_sequence == 12


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"version": 2}, WrongProtocolVersion),
        ({"version": 0}, WrongProtocolVersion),
        ({"chain_id": 1}, WrongChain),
        ({"adjudicator": b"\xae" * 20}, WrongAdjudicator),
        ({"address": MIDDLE.address}, WrongHelloAddress),
    ],
)
def test_each_field_that_differs_has_its_own_refusal(
    change: dict[str, object], refusal: type[PeerError]
) -> None:
    with pytest.raises(refusal):
        check_hello(msgspec.structs.replace(GOOD, **change), OURS, HIGH.address)


def test_our_own_key_on_the_other_side_is_refused() -> None:
    with pytest.raises(SelfConnection):
        check_hello(OURS.hello(0), OURS, LOW.address)


def test_another_frame_before_the_hello_is_refused() -> None:
    with pytest.raises(UnexpectedFrame, match="ack before hello"):
        check_hello(Ack(1), OURS, HIGH.address)


def test_a_peer_that_refuses_us_is_quoted_without_its_control_characters() -> None:
    with pytest.raises(RefusedByPeer) as refused:
        check_hello(ErrorFrame("wrong_chain_id", "no\n\x1b[31m"), OURS, HIGH.address)
    assert refused.value.reason == r"'wrong_chain_id': 'no\n\x1b[31m'"
