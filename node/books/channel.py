"""What the books know of one channel: its parties, its opening, its accounts."""

from __future__ import annotations

from dataclasses import dataclass, field

from node.books.entry import channel_account, guarantee_account, peer_account
from protocols.outcome import SingleAssetExit
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, Address, ChannelId


@dataclass(slots=True)
class Change:
    """One change that a ledger's leader proposed."""

    turn_num: int
    kind: str
    target: ChannelId
    amount: int
    left: bytes
    right: bytes
    left_amount: int
    fee: int
    request_id: str
    is_refused: bool = False

    def is_undone_by(self, other: Change) -> bool:
        """Whether the other change is the inverse of this refused one (M8)."""
        if not self.is_refused or self.amount != other.amount:
            return False
        if self.kind == "move":
            return other.kind == "move" and (other.left, other.right) == (self.right, self.left)
        return (
            other.kind == ("remove" if self.kind == "add" else "add")
            and (other.target, other.left_amount) == (self.target, self.left_amount)
            and other.fee == self.fee
        )


@dataclass(slots=True)
class ChannelBook:
    """One channel, direct, ledger or virtual."""

    channel_id: ChannelId
    fixed: FixedPart
    my_index: int
    is_ledger: bool
    asset: Address = ZERO_ADDRESS
    deposits: tuple[int, ...] = ()
    """Opening amounts by participant; empty before the prefund is known."""
    held: int = 0
    """Confirmed on chain."""
    is_halted: bool = False
    """A fork took back what was confirmed, and the chain does not show it again yet."""
    retracted: int = 0
    """What of it is not held now: it left for nobody until it is."""
    paid: int = 0
    """From participant 0 to the last: by vouchers issued or accepted, or as a reducer says."""
    is_app: bool = False
    """An application's: its reducer says who gets what."""
    signed_amounts: tuple[int, ...] = ()
    """By end, in the newest running state that we signed."""
    finals: dict[bytes, bytes] = field(default_factory=dict)
    """By hash: encoded final states."""
    ours: str = ""
    theirs: str = ""
    peer: str = ""
    """Accounts that payments move between: the channel's own, or those of its guarantee."""
    fees: tuple[int, ...] = ()
    """By intermediary; of virtual channels."""
    carriers: tuple[ChannelId, ...] = ()
    """Ledgers of ours that guarantee a virtual channel now."""
    guaranteed: dict[ChannelId, int] = field(default_factory=dict)
    """Of a ledger: guarantees by target, agreed."""
    queue: list[Change] = field(default_factory=list)
    challenges: dict[bytes, bytes] = field(default_factory=dict)
    """By transaction: what a challenge carries that was seen and not confirmed, encoded."""
    standing: SingleAssetExit | None = None
    """What the newest confirmed challenge carries."""

    def __post_init__(self) -> None:
        self.ours = channel_account(self.channel_id, "ours")
        self.theirs = channel_account(self.channel_id, "theirs")
        self.peer = peer_account(self.counterparty)

    @property
    def counterparty(self) -> Address:
        """The participant at the other end; an intermediary is told of the payee."""
        participants = self.fixed.participants
        return participants[0 if self.my_index == len(participants) - 1 else -1]

    @property
    def is_payer(self) -> bool:
        """Participant 0 pays."""
        return self.my_index == 0

    @property
    def is_hub(self) -> bool:
        """Neither end."""
        return 0 < self.my_index < len(self.fixed.participants) - 1

    def leaving(self) -> str:
        """The account of what left the channel and no record said yet to whom."""
        return channel_account(self.channel_id, "leaving")

    def surplus(self) -> str:
        """The account of what is above the opening amounts."""
        return channel_account(self.channel_id, "surplus")

    def carried_by(self, ledger: ChannelBook) -> tuple[str, str]:
        """Our account and the neighbour's in the guarantee of that ledger."""
        pair = (ledger.channel_id, self.channel_id)
        return guarantee_account(*pair, "ours"), guarantee_account(*pair, "theirs")
