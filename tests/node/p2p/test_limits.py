from __future__ import annotations

from node.p2p import limits
from node.p2p.framing import Message, encode_frames
from node.p2p.limits import PeerLimits
from protocols.messages import ENCODED_STATE_SIZE_BYTES_MAX

DEFAULTS = PeerLimits()


def test_the_largest_body_fills_its_frame_and_no_more() -> None:
    body = bytes(limits.BODY_SIZE_BYTES_MAX)
    frame = encode_frames([Message(limits.SEQUENCE_MAX, limits.SEQUENCE_MAX, body)])
    assert limits.FRAME_SIZE_BYTES_MAX - 16 <= len(frame) - 4 <= limits.FRAME_SIZE_BYTES_MAX


def test_every_message_of_the_protocol_fits_a_frame() -> None:
    assert ENCODED_STATE_SIZE_BYTES_MAX * 2 < limits.BODY_SIZE_BYTES_MAX


def test_a_silent_peer_is_asked_at_least_twice_before_it_is_given_up() -> None:
    assert DEFAULTS.idle_timeout_s > 2 * DEFAULTS.ping_interval_s


def test_a_peer_within_its_rate_is_never_cut_as_stalled() -> None:
    largest_write = limits.FLUSH_SIZE_BYTES_MAX + limits.FRAME_SIZE_BYTES_MAX
    assert largest_write < DEFAULTS.receive_rate_bytes_per_s * DEFAULTS.write_timeout_s


def test_the_burst_holds_the_largest_read() -> None:
    frames = limits.RECEIVE_SIZE_BYTES // 7
    cost = limits.RECEIVE_SIZE_BYTES + frames * DEFAULTS.frame_cost_bytes
    assert cost < DEFAULTS.receive_burst_bytes


def test_a_drained_queue_is_well_below_a_full_one() -> None:
    assert DEFAULTS.queue_resume_size_bytes * 2 <= DEFAULTS.queue_size_bytes_max


def test_the_back_off_is_that_of_the_architecture() -> None:
    assert (DEFAULTS.backoff_first_s, DEFAULTS.backoff_max_s) == (0.25, 30.0)
