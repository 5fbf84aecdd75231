"""Refusals by name are answers, and above their bounds they are the sender's faults."""

from __future__ import annotations

import pytest

from protocols import messages
from protocols.app_errors import ReducerNotInstalled
from protocols.draft import Draft
from protocols.objectives import refusals
from protocols.objectives.refusals import answer_by_name
from tests.support.actors import ALICE, BOB
from tests.support.network import CoreNode

IDENTITY = b"\x0b" * 32


def answered(node: CoreNode) -> messages.ObjectiveRejection:
    draft = Draft(node.state, node.context())
    refusal = ReducerNotInstalled(b"\x01" * 32)
    answer_by_name(draft, ALICE.address, IDENTITY, refusal, "x" * 5_000)
    (sent,) = draft.effects
    body = messages.decode_body(sent.body)  # type: ignore[union-attr]
    assert isinstance(body, messages.ObjectiveRejection)
    return body


def test_an_answer_names_the_proposal_and_the_rule_and_is_bounded() -> None:
    body = answered(CoreNode(BOB))
    assert (body.objective_id, body.error_code) == (IDENTITY, "REDUCER_NOT_INSTALLED")
    assert len(body.reason) == messages.TEXT_LENGTH_MAX


def test_above_the_bounds_it_is_the_senders_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as bound:
        bound.setattr(refusals, "PENDING_ANSWER_COUNT_MAX", 0)
        with pytest.raises(ReducerNotInstalled):
            answered(CoreNode(BOB))
    node = CoreNode(BOB)
    monkeypatch.setattr(node.state.agenda.rejections, "is_neighbour_full", lambda *_: True)
    with pytest.raises(ReducerNotInstalled):
        answered(node)
