"""What a ledger channel refuses, by the names that go-nitro's consensus channel gives them."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class LedgerRefused(ProtocolError):
    """A change of a ledger that may not be proposed or countersigned."""


@dataclass(eq=False)
class LedgerTurnWrong(LedgerRefused):
    """A proposal's turn is the next one of the ledger; a lower one was heard before."""

    code = 1501
    template = "turn {turn_num} refused, the next one is {expected}"
    turn_num: int
    expected: int


@dataclass(eq=False)
class LedgerFundsInsufficient(LedgerRefused):
    """Each side pays its part of a change from its own balance."""

    code = 1502
    next_step = "use a smaller amount, another ledger, or wait until guarantees end"
    template = "{wanted} is needed, the balance is {available}"
    wanted: int
    available: int


@dataclass(eq=False)
class InvalidGuaranteeAmount(LedgerRefused):
    """Left's part of a guarantee is at most all of it."""

    code = 1503
    template = "left's part {left_amount} is above the guarantee of {amount}"
    left_amount: int
    amount: int


@dataclass(eq=False)
class DuplicateGuarantee(LedgerRefused):
    """M17: a channel is guaranteed once."""

    code = 1504
    template = "channel {target} has a guarantee already"
    target: bytes


@dataclass(eq=False)
class GuaranteeNotFound(LedgerRefused):
    """Only a guarantee that stands can be removed."""

    code = 1505
    template = "no guarantee for channel {target}"
    target: bytes


@dataclass(eq=False)
class TooManyGuarantees(LedgerRefused):
    """M17: a ledger with too many guarantees could not be challenged any more."""

    code = 1506
    next_step = "use another ledger with the same peer"
    template = "the ledger has {count} guarantees, the most is {limit}"
    count: int
    limit: int


@dataclass(eq=False)
class InvalidLedgerChange(LedgerRefused):
    """The change is not one of the three kinds, or names other parties."""

    code = 1507
    template = "change refused: {reason}"
    reason: str


@dataclass(eq=False)
class ProposalSignatureWrong(LedgerRefused):
    """A proposal counts with the leader's signature on the state it leads to."""

    code = 1508
    template = "turn {turn_num} is not signed by the leader on the state it leads to"
    turn_num: int


@dataclass(eq=False)
class CountersignatureWrong(LedgerRefused):
    """A countersignature counts on the leader's own candidate state."""

    code = 1509
    template = "turn {turn_num} is not countersigned by the follower"
    turn_num: int


@dataclass(eq=False)
class ProposalQueueExhausted(LedgerRefused):
    """An answer names a proposal that does not wait for one."""

    code = 1510
    template = "no proposal with turn {turn_num} waits for an answer"
    turn_num: int


@dataclass(eq=False)
class ProposalNotExpected(LedgerRefused):
    """The change is not what the objective it belongs to asks for."""

    code = 1511
    template = "change refused: {reason}"
    reason: str


@dataclass(eq=False)
class LedgerBalanceFalls(LedgerRefused):
    """M15: the follower agrees to give only what it asked to give."""

    code = 1512
    template = "a move of {amount} from us was not asked for"
    amount: int


@dataclass(eq=False)
class TooManyProposalsWaiting(LedgerRefused):
    """The leader's queue is bounded: the follower has to answer first."""

    code = 1513
    retry_safe = True
    next_step = "wait for the counterparty's countersignature"
    template = "{count} proposals of the ledger wait for an answer already"
    count: int


@dataclass(eq=False)
class LedgerInUse(LedgerRefused):
    """A ledger closes when no guarantee and no proposal is left in it."""

    code = 1514
    next_step = "close the virtual channels that this ledger carries"
    template = "ledger {channel_id} has {guarantee_count} guarantees, {proposal_count} proposals"
    channel_id: bytes
    guarantee_count: int
    proposal_count: int


@dataclass(eq=False)
class NotALedger(LedgerRefused):
    """The command or message is for a ledger channel."""

    code = 1515
    template = "channel {channel_id} is no ledger"
    channel_id: bytes


@dataclass(eq=False)
class LedgerNotRunning(LedgerRefused):
    """The ledger is not open: unfunded, closing, being left, disputed or close-only."""

    code = 1516
    template = "ledger {channel_id} takes no changes: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class LedgerPaymentNotMade(LedgerRefused):
    """The other party refused the move, and it cannot count any more: a proposal by its turn, once
    what undoes it is agreed, or a wish by its request id."""

    code = 1517
    next_step = "nothing was paid: look at the ledger, and pay under another request id"
    template = "payment {request_id} was refused: {error_code}"
    request_id: str
    error_code: str


@dataclass(eq=False)
class LedgerUpdateForgotten(LedgerRefused):
    """A party lost records, and the ledger went on from what both know: this is not part of it."""

    code = 1518
    next_step = "nothing was paid: pay again, under another request id"
    template = "turn {turn_num} was not agreed before records were lost"
    turn_num: int


@dataclass(eq=False)
class LedgerChainUnseen(LedgerRefused):
    """M11: who does not see the chain does not know whether the ledger is still there."""

    code = 1519
    retry_safe = True
    next_step = "wait for the chain endpoint to answer"
    template = "no view of the chain younger than {limit_s} s, so {channel_id} does not change"
    channel_id: bytes
    limit_s: int
