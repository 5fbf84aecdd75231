"""What stands on chain of the channels that an endpoint lies about, whatever the node believes.

Of all other channels the chain says what the node knows. What others do and what becomes of our
calls follows from what is true; what the node does follows from what it is told.
"""

from __future__ import annotations

from msgspec.structs import replace

from node.whatif.copying import working_copy
from node.whatif.disputes import is_final
from protocols.chain_facts import as_observed
from protocols.channel import (
    ChainStatus,
    Channel,
    Holding,
    funding_terms,
    observed_adjudicated,
    observed_chain_status,
    observed_holdings,
)
from protocols.entities import NodeState
from protocols.inputs import ChainLog
from protocols.observation_reducers import observed_log
from protocols.types import ChannelId


class Truth:
    """The adjudicator's side of channels; everything that was mined counts."""

    def __init__(self) -> None:
        self._kept: dict[ChannelId, Channel] = {}
        """As of the last true log; only what the adjudicator keeps is looked at."""

    def begin(self, channel: Channel) -> None:
        """From here on the channel may be lied about: up to now the node knows what is true."""
        if channel.channel_id not in self._kept:
            self._kept[channel.channel_id] = _settled(channel)

    def take(self, log: ChainLog) -> None:
        """A log that is in a block."""
        known = self._kept.get(log.channel_id)
        if known is not None:
            told = observed_log(as_observed(known, log))
            self._kept[log.channel_id] = _settled(replace(known, observed=(told,)))

    def of(self, channel: Channel, now_s: int) -> Channel:
        """The channel with what the adjudicator keeps of it at that time."""
        kept = self._kept.get(channel.channel_id)
        if kept is None:
            return channel
        status = ChainStatus.EXPIRED if is_expired(kept, now_s) else kept.chain_status
        return replace(
            channel,
            holdings=kept.holdings,
            observed=(),
            adjudicated=kept.adjudicated,
            chain_status=status,
        )

    def state(self, state: NodeState, now_s: int) -> NodeState:
        """The state with all channels as they are on chain; itself while nobody lied."""
        if not self._kept:
            return state
        found = working_copy(state)
        for channel_id in self._kept:
            found.channels[channel_id] = self.of(state.channels[channel_id], now_s)
        return found


def is_expired(channel: Channel, now_s: int) -> bool:
    """Whether a challenge of it was left to run out by then."""
    return observed_chain_status(channel) == ChainStatus.CHALLENGED and is_final(channel, now_s)


def _settled(channel: Channel) -> Channel:
    """What was observed counts."""
    if not channel.turns:
        return channel
    asset = funding_terms(channel).asset
    kept = observed_adjudicated(channel) if channel.observed else channel.adjudicated
    return replace(
        channel,
        holdings=(Holding(asset, observed_holdings(channel, asset)),),
        adjudicated=kept,
        chain_status=observed_chain_status(channel),
        observed=(),
    )
