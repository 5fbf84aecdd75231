"""A bad peer is recorded in bounded form."""

from node.misbehaviour import (
    INTERVAL_S,
    LOSS_COUNT_MAX,
    RECORDED_FAULT_COUNT,
    REFUSAL_COUNT_MAX,
    REMEMBERED_PEER_COUNT_MAX,
    REPEAT_COUNT_MAX,
    RETOLD_COUNT_PER_CHANNEL,
    Misbehaviour,
)
from protocols.delivery import Peer
from protocols.inputs import PeerFault
from protocols.types import Address
from tests.support.actors import BOB, IVAN


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def rig(channel_count: int = 0) -> tuple[Misbehaviour, Clock, list[tuple[Address, float]]]:
    clock = Clock()
    expelled: list[tuple[Address, float]] = []

    def expel(peer: Address, duration_s: float) -> None:
        expelled.append((peer, duration_s))

    return Misbehaviour(clock, expel, lambda _: channel_count), clock, expelled


def repeating(count: int) -> Peer:
    """The peer with that many recorded repeats."""
    return Peer(BOB.address, repeat_count=count)


def faulty(peer: Address, count: int) -> Peer:
    """The peer with that many recorded faults."""
    return Peer(peer, fault_count=count)


FAULT = PeerFault(BOB.address, "framing_fault", "garbage", 9)


def test_the_first_ten_faults_are_recorded_singly() -> None:
    misbehaviour, _, _ = rig()
    assert [misbehaviour.admit(FAULT, n) for n in range(RECORDED_FAULT_COUNT)] == [FAULT] * 10


def test_later_faults_become_one_counted_event_a_minute() -> None:
    misbehaviour, clock, _ = rig()
    first = misbehaviour.admit(FAULT, 10)
    assert first is not None
    assert first.count == 1
    for _ in range(500):
        clock.now_s += 0.1
        assert misbehaviour.admit(FAULT, 11) is None
    clock.now_s += INTERVAL_S
    counted = misbehaviour.admit(FAULT, 11)
    assert counted is not None
    assert counted.count == 501


def test_peers_are_counted_apart() -> None:
    misbehaviour, _, _ = rig()
    misbehaviour.admit(FAULT, 10)
    other = PeerFault(IVAN.address, "framing_fault", "garbage", 9)
    assert misbehaviour.admit(other, 10) is not None
    assert misbehaviour.admit(FAULT, 10) is None


def test_a_peer_is_expelled_for_each_batch_with_faults_beyond_ten() -> None:
    misbehaviour, _, expelled = rig()
    for count in range(RECORDED_FAULT_COUNT + 1):
        misbehaviour.after_batch(faulty(BOB.address, count))
    assert expelled == []
    misbehaviour.after_batch(faulty(BOB.address, RECORDED_FAULT_COUNT + 1))
    misbehaviour.after_batch(faulty(BOB.address, RECORDED_FAULT_COUNT + 1))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_faults_from_before_the_start_expel_nobody() -> None:
    misbehaviour, _, expelled = rig()
    misbehaviour.after_batch(faulty(BOB.address, 500))
    misbehaviour.after_batch(faulty(BOB.address, 500))
    assert expelled == []
    misbehaviour.after_batch(faulty(BOB.address, 501))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_who_talks_is_remembered_longer_than_who_was_heard_first() -> None:
    misbehaviour, _, expelled = rig()
    for number in range(REMEMBERED_PEER_COUNT_MAX):
        misbehaviour.after_batch(faulty(number.to_bytes(20, "big"), 11))
    misbehaviour.after_batch(faulty(bytes(20), 11))
    misbehaviour.after_batch(faulty(b"\xff" * 20, 11))
    misbehaviour.after_batch(faulty(bytes(20), 12))
    assert expelled == [(bytes(20), INTERVAL_S)]


def test_memory_of_strangers_is_bounded() -> None:
    misbehaviour, _, _ = rig()
    for number in range(2_000):
        peer = number.to_bytes(20, "big")
        assert misbehaviour.admit(PeerFault(peer, "framing_fault", "x", 1), 10) is not None
        misbehaviour.after_batch(faulty(peer, 11))
    # The first one was forgotten, so it is admitted as if it were new; the last one is not.
    assert misbehaviour.admit(PeerFault(bytes(20), "framing_fault", "x", 1), 10) is not None
    last = (1_999).to_bytes(20, "big")
    assert misbehaviour.admit(PeerFault(last, "framing_fault", "x", 1), 10) is None


def test_a_peer_that_repeats_itself_more_than_ten_times_a_minute_is_expelled() -> None:
    misbehaviour, clock, expelled = rig()
    for count in range(0, 50, 10):
        misbehaviour.after_batch(Peer(BOB.address, repeat_count=count))
        misbehaviour.after_batch(Peer(BOB.address, repeat_count=count + REPEAT_COUNT_MAX))
        clock.now_s += INTERVAL_S
    assert expelled == []
    misbehaviour.after_batch(Peer(BOB.address, repeat_count=50 + REPEAT_COUNT_MAX))
    misbehaviour.after_batch(Peer(BOB.address, repeat_count=51 + REPEAT_COUNT_MAX))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_refused_payments_expel_only_who_sends_more_than_can_be_under_way() -> None:
    misbehaviour, clock, expelled = rig()
    misbehaviour.met(Peer(BOB.address, refusal_count=500))
    clock.now_s += INTERVAL_S - 1
    misbehaviour.after_batch(Peer(BOB.address, refusal_count=500 + REFUSAL_COUNT_MAX))
    assert expelled == []
    misbehaviour.after_batch(Peer(BOB.address, refusal_count=501 + REFUSAL_COUNT_MAX))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_refused_payments_are_counted_anew_each_minute() -> None:
    misbehaviour, clock, expelled = rig()
    count = 0
    for _ in range(10):
        misbehaviour.after_batch(Peer(BOB.address, refusal_count=count))
        count += REFUSAL_COUNT_MAX // 2
        misbehaviour.after_batch(Peer(BOB.address, refusal_count=count))
        clock.now_s += INTERVAL_S
    assert expelled == []


def test_a_new_session_does_not_forget_what_was_refused_in_the_last() -> None:
    misbehaviour, _, expelled = rig()
    misbehaviour.met(Peer(BOB.address))
    misbehaviour.after_batch(Peer(BOB.address, refusal_count=REFUSAL_COUNT_MAX))
    misbehaviour.met(Peer(BOB.address, refusal_count=REFUSAL_COUNT_MAX))
    misbehaviour.after_batch(Peer(BOB.address, refusal_count=REFUSAL_COUNT_MAX + 1))
    assert expelled == [(BOB.address, INTERVAL_S)]


# --- what is said again after a loss ---

EXCUSED_COUNT = 3 * RETOLD_COUNT_PER_CHANNEL
"""Of a peer with whom we share three channels."""


def test_what_is_said_again_after_a_loss_expels_nobody_however_long_it_takes() -> None:
    misbehaviour, clock, expelled = rig(channel_count=3)
    misbehaviour.met(repeating(7), is_loss=True)
    for count in range(7, EXCUSED_COUNT + 8):
        misbehaviour.after_batch(repeating(count))
        clock.now_s += INTERVAL_S / 50
    assert expelled == []
    misbehaviour.after_batch(repeating(EXCUSED_COUNT + 8 + 3 * REPEAT_COUNT_MAX))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_a_loss_excuses_nothing_where_no_channel_is_shared() -> None:
    misbehaviour, _, expelled = rig(channel_count=0)
    misbehaviour.met(repeating(0), is_loss=True)
    misbehaviour.after_batch(repeating(REPEAT_COUNT_MAX))
    assert expelled == []
    misbehaviour.after_batch(repeating(REPEAT_COUNT_MAX + 1))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_without_a_loss_a_peer_may_repeat_itself_ten_times_for_each_channel() -> None:
    misbehaviour, _, expelled = rig(channel_count=3)
    misbehaviour.met(repeating(0))
    misbehaviour.after_batch(repeating(3 * REPEAT_COUNT_MAX))
    assert expelled == []
    misbehaviour.after_batch(repeating(3 * REPEAT_COUNT_MAX + 1))
    assert expelled == [(BOB.address, INTERVAL_S)]


def test_losses_of_one_minute_are_excused_once() -> None:
    misbehaviour, clock, expelled = rig(channel_count=3)
    misbehaviour.met(repeating(0), is_loss=True)
    misbehaviour.after_batch(repeating(EXCUSED_COUNT))
    misbehaviour.met(repeating(EXCUSED_COUNT), is_loss=True)
    assert expelled == []
    misbehaviour.after_batch(repeating(EXCUSED_COUNT + 1))
    assert expelled == [(BOB.address, INTERVAL_S)]
    clock.now_s += INTERVAL_S
    misbehaviour.met(repeating(EXCUSED_COUNT + 1), is_loss=True)
    misbehaviour.after_batch(repeating(2 * EXCUSED_COUNT + 1))
    assert len(expelled) == 1, "the next minute's loss is excused again"


def test_who_begins_session_after_session_with_a_loss_is_expelled() -> None:
    misbehaviour, clock, expelled = rig(channel_count=3)
    for _ in range(2):
        for _ in range(LOSS_COUNT_MAX):
            misbehaviour.met(repeating(0), is_loss=True)
        clock.now_s += INTERVAL_S
    assert expelled == []
    for _ in range(LOSS_COUNT_MAX + 1):
        misbehaviour.met(repeating(0), is_loss=True)
    assert expelled == [(BOB.address, INTERVAL_S)]
