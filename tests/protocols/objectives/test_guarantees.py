"""Guarantees of channels that nobody here knows."""

from __future__ import annotations

import pytest

from protocols.draft import Draft
from protocols.ledger import Proposed
from protocols.ledger_errors import ProposalNotExpected
from protocols.objectives.guarantees import judge
from tests.support.ledger_rig import LEDGER, add, opened_ledger, remove


def test_a_guarantee_for_a_channel_that_we_do_not_know_is_refused() -> None:
    bob = opened_ledger().bob
    draft = Draft(bob.state, bob.context())
    for change in (add(), remove()):
        proposal = Proposed(2, change, bytes(32), bytes(65))
        with pytest.raises(ProposalNotExpected):
            judge(draft, bob.channel(LEDGER), proposal)
