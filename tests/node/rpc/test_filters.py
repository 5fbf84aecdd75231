"""Filters over records."""

from __future__ import annotations

from typing import cast

import pytest

from node.rpc.errors import InvalidParams
from node.rpc.filters import concerns, wanted_by
from node.rpc.interface import NodeApi
from protocols import events
from protocols.types import checksum_address, to_hex
from protocols.virtual_events import VirtualChannelPruned
from tests.support.actors import BOB, IVAN
from tests.support.event_samples import sample
from tests.support.rpc_node import RecordingNode, open_payment_channel

ACKNOWLEDGED = events.PeerAcknowledged(BOB.address, 1)


def test_a_record_concerns_who_did_it_and_whose_channel_it_is() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    (objective_id,) = node.state.objectives
    (intent_id,) = node.state.transactions
    about_bob = [
        events.PeerAcknowledged(BOB.address, 1),
        events.MessageAcked(bytes(32), to_hex(BOB.address), 1),
        VirtualChannelPruned(channel_id),
        events.ObjectiveCreated(bytes(32), "DirectFund", bytes(32), (BOB.address,)),
        events.ObjectiveApproved(objective_id),
        events.TransactionFailed(intent_id, "no"),
    ]
    assert all(concerns(node.state, event, BOB.address) for event in about_bob)
    assert not any(concerns(node.state, event, IVAN.address) for event in about_bob)
    assert not concerns(node.state, sample(events.ChainBlockProcessed), BOB.address)


def test_a_record_is_decoded_only_if_its_name_is_wanted() -> None:
    node = cast(NodeApi, RecordingNode())
    wanted = wanted_by(node, ["peer-acknowledged"], checksum_address(BOB.address))
    assert wanted("peer-acknowledged", lambda: ACKNOWLEDGED)
    assert not wanted("peer-acknowledged", lambda: events.PeerAcknowledged(IVAN.address, 1))

    def decode() -> events.Event:
        raise AssertionError("its name says enough")

    assert not wanted("voucher-issued", decode)
    assert wanted_by(node, ["voucher-issued"], None)("voucher-issued", decode)
    assert wanted_by(node, [], None)("voucher-issued", decode)


@pytest.mark.parametrize(
    ("names", "peer", "parameter"), [(["no-such"], None, "names"), (None, "0x12", "peer")]
)
def test_names_and_peers_that_are_none_are_refused(
    names: list[str] | None, peer: str | None, parameter: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        wanted_by(cast(NodeApi, RecordingNode()), names, peer)
    assert refused.value.parameter == parameter
