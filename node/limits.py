"""Bounds of the engine and what joins the rooms: value, unit, why. A room's own bounds stay with
it."""

INPUT_QUEUE_COUNT_MAX = 4_096
"""Inputs waiting for the engine. A full queue is back-pressure: peers and callers wait."""

BATCH_INPUT_COUNT_MAX = 64
"""Inputs cranked under one synced write. Small enough that the peer works on one batch while we
crank the next: with 512 the two took turns, and a fifth of the payments was lost (ADR 0020)."""

LEDGER_INPUT_COUNT_MAX = 128
"""The same of a batch that begins with an update of a ledger. One signature agrees to all updates
of a ledger in a batch, and a payment there is answered without the other party, so that nobody
waits for a turn: with twice as many inputs both sides need a fifth less time for each."""

BACKLOG_INPUT_COUNT_MAX = 256
"""The same when four times as many wait: both sides have enough to do then, whatever the size, and
each input's share of the write, the receipt and its signature is a quarter."""

PROMPT_INPUT_COUNT_MAX = 4
"""Inputs that are carried out at once by who handed them in: a payment with the acknowledgement
that came beside it. More of them wait for the engine's own task, and for company: a write shared by
many costs each of them less."""

LISTED_PAYMENT_COUNT_MAX = 2_000
"""Payments of lists after which a batch takes no further input: twenty milliseconds of work."""

SNAPSHOT_INTERVAL_RECORD_COUNT = 1_000
"""Records between two snapshots, each with its digest in the log; a busy node takes them less often
(ADR 0049). The default of `store.snapshot_interval_records`."""
SNAPSHOT_INTERVAL_RECORD_COUNT_MIN = 100
"""The least that may be set: each snapshot is itself followed by a record, and a node where nothing
happens must not go on for ever taking snapshots of that."""
SNAPSHOT_INTERVAL_RECORD_COUNT_MAX = 1_000_000
"""The most: a start folds what came after the last one, five seconds for so many."""

SNAPSHOT_SLICE_S = 0.001
"""Of work on a snapshot after which others have their turn."""

SNAPSHOT_SLICE_CHANGE_COUNT_MAX = 64
"""Changes in a slice, whatever they cost: a millisecond's, when each has its usual size."""

SNAPSHOT_PAUSE_FACTOR = 25
"""A busy node's slice is followed by a pause so many times as long: a twenty-fifth of its time."""

SNAPSHOT_FLUSH_RECORD_COUNT = 20_000
"""Records after which snapshots become durable, if their memtable did not fill before: a tenth of a
second's fold. After each snapshot it would be a table file every second, merged with all others."""

SNAPSHOT_SWEEP_VERSION_COUNT_MIN = 10_000
"""Versions written before a sweep for old ones, or half as many as there are keys: so each version
pays for looking at three."""

HEAD_INTERVAL_RECORD_COUNT = 1_000
"""Records between two signed heads of the log (ADR 0051): a signature, a record and a note to each
peer are spread over them."""

TREE_LAG_COUNT_MIN = 256
"""Records that wait before the tree over the log takes them in: so many together cost half a
millisecond, and less than as many woken tasks."""

TREE_TURN_SLICE_COUNT_MAX = 4
"""Slices of the tree between two turns of the engine: twice what a turn of long lists records."""

HEAD_TOLD_INTERVAL_S = 1.0
"""Seconds between two heads that peers are told: a node at full load signs ten a second."""

HEAD_RATE_PER_S = 2.0
"""Notes about heads that are heard of one peer a second: twice what we send."""

HEAD_BURST_COUNT = 8.0
"""Such notes that may come at once: two at each connection, and a link may be bad."""

HEAD_PEER_COUNT_MAX = 4_096
"""Peers whose budget of such notes is remembered."""

TICK_INTERVAL_S = 1.0
"""Seconds between two Tick inputs: the grain of resends and time-outs."""

RESTORED_TURN_OFFSET_MAX = 2**31
"""How far final turns may go on after a restore: wide enough that two restores of one backup draw
two numbers, and of 2^48 turns enough is left."""

LOSS_LOOK_INTERVAL_S = 0.1
LOSS_LOOK_COUNT = 50
"""How often it is looked whether the engine recorded a head that our log lost as a loss of its own:
one that is known already changes nothing."""

LOSS_PAUSE_S = 1.0
"""Seconds without sessions after a loss that nobody knew of: the engine folds it first."""

BACKUP_FLUSH_WAIT_S = 10.0
"""Seconds a backup waits for tables to be written; what is left then is written while the node
stands still. 64 MiB take a slow disk one."""

VERIFY_WAIT_S = 1.0
"""Seconds a start waits to hear whether the chain is the right one. One that does not answer is
asked again beside everything else."""

WAITER_COUNT_MAX = 16_384
"""Callers that wait for a payee's receipt or an objective's end; beyond it a command answers when
it is durable."""

SAFETY_MARGIN_BLOCK_COUNT = 10
"""Blocks of margin for one answer to a challenge, used three times over (M19)."""

BLOCK_TIME_S = 12
"""Expected seconds between blocks, Ethereum's."""

OUTBOX_MESSAGE_COUNT_MAX = 65_536
"""Messages that may wait for one peer's acknowledgement while it still talks to us: what we answer
must not fill our memory because the peer never says that it has the answers."""

ROUTE_RATE_PER_S = 5.0
"""Route queries of one peer that are answered a second: each costs look-ups here and a question to
the next hop."""
ROUTE_BURST_COUNT = 20.0
"""Route queries of one peer that may come at once: a wallet that compares paths."""
ROUTE_WAITING_COUNT_MAX = 1_024
"""Questions to next hops that may wait for answers at once, of all askers together."""
ROUTE_PEER_COUNT_MAX = 1_024
"""Askers whose budget of queries is remembered."""

LOG_READ_COUNT_MAX = 1_000
"""Records one call may read."""

COUNTED_RECORD_COUNT_MAX = 1_000_000
"""Records that are counted by name for a comparison: some three seconds beside everything else."""

PAST_STATE_COUNT_MAX = 2
"""Past states that are kept for whoever asks for the same moment again: each may take as much
memory as the node's own, and a comparison needs two."""

assert (
    BATCH_INPUT_COUNT_MAX
    <= LEDGER_INPUT_COUNT_MAX
    <= BACKLOG_INPUT_COUNT_MAX
    <= INPUT_QUEUE_COUNT_MAX // 4
)
assert (
    SNAPSHOT_INTERVAL_RECORD_COUNT_MIN
    <= SNAPSHOT_INTERVAL_RECORD_COUNT
    <= SNAPSHOT_INTERVAL_RECORD_COUNT_MAX
)
assert HEAD_INTERVAL_RECORD_COUNT > TREE_LAG_COUNT_MIN


def challenge_duration_s_min(confirmation_count: int) -> int:
    """M19: the shortest challenge duration that leaves time to see, answer and answer again."""
    return (confirmation_count + 3 * SAFETY_MARGIN_BLOCK_COUNT) * BLOCK_TIME_S
