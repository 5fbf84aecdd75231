"""Every bound of this room: what a caller may send, hold open and wait for."""

REQUEST_SIZE_BYTES_MAX = 1_048_576
"""One HTTP body or one WebSocket message. The largest honest one, a full batch, is under 50 kB."""
HEAD_SIZE_BYTES_MAX = 16_384
"""Request line and headers together; browsers send a few hundred bytes."""
BATCH_COUNT_MAX = 100
"""Requests in one JSON-RPC batch: more belong on a WebSocket, one by one."""
CONNECTION_COUNT_MAX = 128
"""Open connections; the next one is told so and closed. At one request of 1 MiB each, 128 MiB."""
IN_FLIGHT_COUNT_MAX = 1_024
"""Unanswered requests of one WebSocket; the node reads no further until answers left (issue 2)."""
OUTGOING_SIZE_BYTES_MAX = 1_048_576
"""Answers of one WebSocket not yet taken by the caller; above it the node reads no further."""
LOG_READ_COUNT_MAX = 1_000
"""Records of one `log_read`."""
LOG_READ_SIZE_BYTES_MAX = 1_048_576
"""Payload bytes after which one `log_read` ends early; `next_seq` says where to go on."""
LOG_READ_SLICE_COUNT = 50
"""Records rendered (20 us each) before `log_read` lets others run: a millisecond."""
LIST_COUNT_MAX = 1_000
"""Entries of one `channel_list` or `objective_list` (under 1 kB each); `after` goes on."""
DIFF_CHANNEL_COUNT_MAX = 100
"""Changed channels of one `log_diff`; `after` goes on. A ledger lists up to 400 guarantees that
came and as many that went (300 bytes each)."""
LIST_SLICE_COUNT = 50
"""Entries looked at (20 us each) before a list lets others run: a millisecond."""
STORY_STEP_COUNT_MAX = 500
"""Steps of one page of a story (about 500 bytes each); `next_seq` goes on."""
STORY_RECORD_COUNT_MAX = 50_000
"""Records read for one page of a story: half a second, in slices between which others run."""
FOLLOW_WAIT_MS_MAX = 30_000
"""How long one `log_follow` may wait: half of what an answer over HTTP may take."""
FOLLOW_INTERVAL_S = 0.05
"""How often a waiting `log_follow` looks: no eye sees it, and a busy log is read by the hundred."""
PATH_COUNT_MAX = 31
"""Participants of a virtual channel's path behind the payer: 32 with it."""
TEXT_LENGTH_MAX = 256
"""Characters of a memo or a reason: what a peer's message carries."""
REQUEST_ID_LENGTH_MAX = 128
"""Characters of a request id: room for a UUID and a name."""

RECEIVE_SIZE_BYTES = 65_536
"""One read from a socket: some two hundred payments."""
REQUEST_TIMEOUT_S = 10.0
"""From the first byte of an HTTP request to its last, and for a connection's first byte."""
KEEP_ALIVE_TIMEOUT_S = 75.0
"""An authorised HTTP connection without a request is closed after this."""
ANSWER_TIMEOUT_S = 60.0
"""How long HTTP waits for an answer (for a receipt the peer may be away); WebSockets wait on."""
SEND_TIMEOUT_S = 30.0
"""A caller that takes no byte for this long is cut off."""
PING_INTERVAL_S = 30.0
"""A silent WebSocket is pinged after this, and cut off after as long again without any byte."""
LINGER_S = 1.0
"""How long a refused caller may go on sending before its connection is dropped."""
LINGER_SIZE_BYTES_MAX = 4_194_304
"""And how much of it is read: without reading, the refusal itself could be lost (TCP reset)."""

assert OUTGOING_SIZE_BYTES_MAX >= LOG_READ_SIZE_BYTES_MAX
"""An answer within the bounds must not stall its own connection."""
assert FOLLOW_WAIT_MS_MAX / 1000 < ANSWER_TIMEOUT_S
"""What waits for a record is answered before it is given up."""
