"""Every bound of the peer room: sizes, counts and times, each with its reason.

Sizes of the wire are constants, since both sides must agree on them. Times and counts are one
side's own business and stand in `PeerLimits`, so that a test can shorten them.
"""

from dataclasses import dataclass

PROTOCOL_VERSION = 1
"""The version a hello must name."""

NOISE_MESSAGE_SIZE_BYTES_MAX = 65_535
"""The longest Noise message (Noise specification, section 3)."""
NOISE_TAG_SIZE_BYTES = 16
"""Authentication tag of ChaCha20-Poly1305 (RFC 8439)."""
PLAINTEXT_SIZE_BYTES_MAX = NOISE_MESSAGE_SIZE_BYTES_MAX - NOISE_TAG_SIZE_BYTES
"""What one Noise message can carry."""

FRAME_SIZE_BYTES_MAX = 1_048_576
"""A frame without its length prefix: 1 MiB holds sixteen of the largest encoded states."""
FRAME_OVERHEAD_SIZE_BYTES_MAX = 32
"""Tag, sequence, ack and the headers of MessagePack around a message's body."""
BODY_SIZE_BYTES_MAX = FRAME_SIZE_BYTES_MAX - FRAME_OVERHEAD_SIZE_BYTES_MAX
"""The longest body that fits a frame."""

NOTE_SIZE_BYTES_MAX = 65_536
"""The longest unnumbered word: an answer about a path of 32 with a reason for each."""
NOTE_COUNT_MAX = 64
"""Unnumbered words that wait for one peer; more are dropped, as on a line that is cut."""

ERROR_CODE_LENGTH_MAX = 64
"""Characters of the code in an error frame."""
ERROR_REASON_LENGTH_MAX = 256
"""Characters of the reason in an error frame."""

RECEIVE_SIZE_BYTES = 65_536
"""Asked of the kernel at once: some two hundred small messages for one turn of the loop. A larger
read takes 20 us by its buffer alone, which the allocator fetches page by page."""
FLUSH_SIZE_BYTES_MAX = 131_072
"""Plaintext of one write: large enough to amortise it, small enough to finish on a slow line."""

SEQUENCE_MAX = 2**63 - 1
"""Message numbers; at a million a second this lasts 290,000 years."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What this node grants its peers. Times in seconds, sizes in bytes."""

    connect_timeout_s: float = 5.0
    """For one TCP connection attempt."""
    handshake_timeout_s: float = 5.0
    """From the first byte to both hellos: seven times a slow round trip."""
    half_open_count_max: int = 64
    """Inbound connections before their hello; the oldest makes room for a newer one, so that a
    flood of idle strangers cannot lock out a peer that finishes in milliseconds."""
    stranger_session_count_max: int = 128
    """Sessions of peers outside the address book; those inside always find a place."""
    write_timeout_s: float = 10.0
    """For one flush. A peer that reads slower than 13 KB/s is cut and resumes where it was."""
    ping_interval_s: float = 10.0
    """We ask for a sign of life when we had nothing to send for so long."""
    idle_timeout_s: float = 30.0
    """Three pings without any answer."""
    watch_interval_s: float = 0.5
    """Between two looks at a session's timers; they are late by up to this."""
    error_timeout_s: float = 1.0
    """For telling a peer why we close."""
    probe_timeout_s: float = 2.0
    """For an old session to show that it lives while a newer one wants its place."""
    ack_delay_s: float = 0.02
    """An ack waits so long for a message to ride on, below any latency that a person sees. Of those
    that come on messages, one is handed over in as long."""
    ack_quiet_s: float = 0.1
    """A peer that said nothing for so long has its newest ack handed over alone."""
    queue_size_bytes_max: int = 16_777_216
    """Bodies waiting for one peer. Beyond it messages are dropped here and fetched again from
    the outbox, which holds them durably."""
    queue_resume_size_bytes: int = 2_097_152
    """A queue that overflowed asks for more when it has drained to this."""
    receive_rate_bytes_per_s: float = 16_777_216.0
    """Per peer: three times 20,000 messages a second of 250 bytes."""
    receive_burst_bytes: float = 33_554_432.0
    """Per peer: two seconds of it, or 32 of the largest frames."""
    frame_cost_bytes: int = 64
    """Charged per frame on top of its bytes, so that tiny frames are not free."""
    budget_count_max: int = 1_024
    """Peers whose byte budget is remembered after they left."""
    backoff_first_s: float = 0.25
    """Before the second dial."""
    backoff_max_s: float = 30.0
    """Between dials to a peer that stays away."""
    stable_session_s: float = 5.0
    """A session that lived so long resets the back-off."""
