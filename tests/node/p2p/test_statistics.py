from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from node.p2p.statistics import PeerStatistics
from tests.support.peer_nodes import HIGH, LOW, Node, numbered, running, until


def test_a_snapshot_cannot_be_changed() -> None:
    snapshot = PeerStatistics(sessions=(), half_open_count=0, counts={})
    with pytest.raises(FrozenInstanceError):
        snapshot.half_open_count = 1  # type: ignore[misc]


async def test_a_session_counts_what_went_over_it_in_both_directions() -> None:
    high = Node(HIGH)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: low.service.connected())
            low.post(HIGH.address, *numbered(1, 20))
            await until(lambda: low.inbox.acks)
            (ours,) = low.service.statistics().sessions
            (theirs,) = high.service.statistics().sessions
            assert (ours.peer, ours.dialled) == (HIGH.address, True)
            assert (theirs.peer, theirs.dialled) == (LOW.address, False)
            assert ours.sent_message_count == theirs.received_message_count == 20
            assert ours.sent_size_bytes == theirs.received_size_bytes > 20 * 80
            assert (ours.acked_sequence, ours.queued_message_count) == (20, 0)
            assert high.service.statistics().counts["accepted"] == 1
            assert low.service.statistics().counts["dialled"] == 1
