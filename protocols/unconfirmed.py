"""What the chain showed and may still take back: a view of channels and transactions.

Kept by `apply` and not digested, so that a fork or a start costs what is unconfirmed, however many
channels there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.channel import ChainStatus, Channel, is_withdrawn
from protocols.table import KeySet, Table
from protocols.transactions import Transaction
from protocols.types import Bytes32, ChannelId


class Unconfirmed:
    """Logs that are not confirmed, transactions in blocks that are not, and disputes."""

    def __init__(self) -> None:
        self.channels: KeySet[ChannelId] = KeySet()
        self.mined: Table[Bytes32, int] = Table()
        """By intent: the block above the processed one that holds it."""
        self.disputed: KeySet[ChannelId] = KeySet()
        """Channels that are challenged or final on chain and not paid out, as far as confirmed:
        what a risen block may mean something to."""
        self.troubled: KeySet[Bytes32] = KeySet()
        """Channels that a fork halted, applications whose talk was halted and whose money is not
        out, and intents that the fee ceiling holds back."""

    def look_at(self, channel: Channel) -> None:
        """The chain said something about the channel, or the talk of an application was halted."""
        if channel.observed:
            self.channels.add(channel.channel_id)
        else:
            self.channels.discard(channel.channel_id)
        is_settled = channel.virtual is not None and channel.virtual.settled
        is_over = is_settled or is_withdrawn(channel)
        if channel.chain_status != ChainStatus.OPEN and not is_over:
            self.disputed.add(channel.channel_id)
        else:
            self.disputed.discard(channel.channel_id)
        is_stopped = channel.app is not None and bool(channel.app.halted) and not is_over
        if channel.halt is not None or is_stopped:
            self.troubled.add(channel.channel_id)
        else:
            self.troubled.discard(channel.channel_id)

    def weigh(self, transaction: Transaction) -> None:
        """What is bid for the transaction changed, or it is over."""
        if transaction.held_back:
            self.troubled.add(transaction.intent_id)
        else:
            self.troubled.discard(transaction.intent_id)

    def mine(self, transaction: Transaction, processed_block_num: int) -> None:
        """The transaction is in a block, or in none any more."""
        if transaction.block_num > processed_block_num:
            self.mined[transaction.intent_id] = transaction.block_num
        else:
            self.mined.pop(transaction.intent_id)

    def process(self, block_num: int) -> None:
        """What is in that block and below will stay."""
        for intent_id in [known for known in self.mined if self.mined[known] <= block_num]:
            del self.mined[intent_id]

    def mined_from(self, block_num: int) -> Iterable[Bytes32]:
        """Intents in that block, which was not processed, or above it."""
        return [known for known in self.mined if self.mined[known] >= block_num]
