"""Kits: an honest export is sound, and a challenge signed for anything else is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.audit.kits import KitCheck
from protocols.exit_events import DisputeKitExported
from tests.support.audit_cases import History, changed, messages, nth
from tests.support.audit_exits import exporting_hub, exporting_leader, sealing_payee


@pytest.mark.parametrize("history", [sealing_payee, exporting_leader, exporting_hub])
def test_an_honest_export_is_sound(history: Callable[[], History]) -> None:
    assert messages(KitCheck, history()) == []


def says(history: History, words: str) -> None:
    found = messages(KitCheck, history)
    assert any(words in message for _, message in found), found


@pytest.mark.parametrize("history", [exporting_leader, exporting_hub])
def test_another_state_or_turn_is_named(history: Callable[[], History]) -> None:
    _, event = nth(history(), DisputeKitExported)
    hashes = (b"\x01" * 32, *event.state_hashes[1:])
    says(changed(history(), DisputeKitExported, state_hashes=hashes), "not the newest")
    turns = (0, *event.turn_nums[1:])
    says(changed(history(), DisputeKitExported, turn_nums=turns), "not the newest")


def test_a_sealed_kit_holds_the_redemption_that_was_signed() -> None:
    history = sealing_payee()
    _, event = nth(history, DisputeKitExported, 1)
    assert event.turn_nums == (2,)
    says(changed(history, DisputeKitExported, 1, turn_nums=(1,)), "not the newest")


def test_a_signature_that_is_not_ours_is_named() -> None:
    history = exporting_leader()
    _, event = nth(history, DisputeKitExported)
    (signature,) = event.signatures
    other = bytes((signature[0] ^ 1,)) + signature[1:]
    says(changed(history, DisputeKitExported, signatures=(other,)), "the challenge of channel")


def test_lists_that_do_not_fit_and_unknown_channels_are_named() -> None:
    history = exporting_leader()
    says(changed(history, DisputeKitExported, turn_nums=()), "do not fit")
    says(changed(history, DisputeKitExported, channels=(b"\x09" * 32,)), "never created")
    says(changed(history, DisputeKitExported, channel_id=b"\x09" * 32), "never created")
