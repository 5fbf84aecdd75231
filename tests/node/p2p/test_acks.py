"""When acks leave and when they are recorded: arithmetic over a given time."""

from __future__ import annotations

import math

import pytest

from node.p2p.acks import OwnAck, PeerAcks
from node.p2p.limits import PeerLimits

LIMITS = PeerLimits(ack_delay_s=2.0, ack_quiet_s=10.0)


def test_our_ack_waits_from_the_first_rise_until_it_leaves() -> None:
    own = OwnAck(3, LIMITS)
    own.rise(3, now_s=0.0)
    assert (own.is_news, own.due_s) == (False, math.inf)
    own.rise(4, now_s=1.0)
    own.rise(6, now_s=2.0)
    assert (own.is_news, own.sequence, own.due_s) == (True, 6, 3.0)
    own.leave()
    assert (own.is_news, own.due_s, own.is_overdue) == (False, math.inf, False)
    own.rise(7, now_s=9.0)
    assert own.due_s == 11.0


def test_our_ack_that_no_message_took_along_goes_alone() -> None:
    own = OwnAck(0, LIMITS)
    own.rise(1, now_s=0.0)
    own.expire()
    assert (own.is_overdue, own.is_news, own.due_s) == (True, True, math.inf)
    own.leave()
    assert not own.is_overdue


def test_the_peers_newest_ack_is_recorded_with_a_message_now_and_then() -> None:
    acks = PeerAcks(0, LIMITS)
    assert not acks.came_with_message(0.0)
    acks.rise(1, 0.0)
    assert acks.came_with_message(0.0)
    acks.hand_over(0.0, taken=True)
    assert not acks.is_news
    acks.rise(5, 1.0)
    assert not acks.came_with_message(1.9)
    assert acks.came_with_message(2.0)
    assert acks.sequence == 5


def test_the_peers_newest_ack_is_recorded_alone_when_no_message_comes() -> None:
    acks = PeerAcks(0, LIMITS)
    acks.came_with_message(1.0)
    acks.rise(1, 1.0)
    acks.rise(2, 4.0)
    assert acks.due_s == 11.0
    acks.came_with_message(5.0)
    assert not acks.is_quiet(11.0)
    assert acks.due_s == 15.0
    assert acks.is_quiet(15.0)


def test_what_found_no_room_is_offered_again() -> None:
    acks = PeerAcks(0, LIMITS)
    acks.rise(1, 0.0)
    acks.hand_over(10.0, taken=False)
    assert (acks.is_news, acks.due_s) == (True, 20.0)
    acks.hand_over(20.0, taken=True)
    assert (acks.is_news, acks.due_s) == (False, math.inf)


@pytest.mark.parametrize("sequence", [0, 3, 4])
def test_an_ack_that_did_not_rise_is_no_news(sequence: int) -> None:
    acks = PeerAcks(4, LIMITS)
    acks.rise(sequence, 1.0)
    assert (acks.is_news, acks.sequence) == (False, 4)
