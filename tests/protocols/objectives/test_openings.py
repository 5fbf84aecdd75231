"""What an opening records first, whatever is to be opened."""

from __future__ import annotations

import pytest

from protocols import events
from protocols.crypto import keccak256
from protocols.draft import Draft
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.openings import record_opening
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, state
from tests.support.network import CoreNode


@pytest.mark.parametrize("kind", [ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND])
def test_the_objective_comes_before_its_channel_and_the_state_that_names_both(
    kind: ObjectiveType,
) -> None:
    node, prefund = CoreNode(ALICE), state(0)
    draft = Draft(node.state, node.context())
    identity = record_opening(draft, kind, prefund, ALICE.address, "rent", b"\1" * 32)
    assert identity == objective_id(kind, CHANNEL)
    created, params, channel, stored = draft.result().events
    assert created == events.ObjectiveCreated(identity, kind, CHANNEL, prefund.fixed.participants)
    assert params == events.ObjectiveParamsRecorded(identity, ALICE.address, "rent", b"\1" * 32)
    assert isinstance(channel, events.ChannelCreated)
    assert channel.channel_id == CHANNEL
    assert channel.challenge_duration == prefund.fixed.challenge_duration
    encoded = prefund.encode()
    assert stored == events.StateStored(CHANNEL, keccak256(encoded), encoded)
