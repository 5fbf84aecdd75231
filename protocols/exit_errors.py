"""Why a channel cannot be challenged, left or kept now, and what is wrong with a dispute kit."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class LeavingRefused(ProtocolError):
    """A wish to leave, or not to leave any more, that would lead to nothing."""


@dataclass(eq=False)
class NothingToLeave(LeavingRefused):
    """Nothing of ours is in it that the chain could pay out."""

    code = 1801
    next_step = "look at it with tally explain CHANNEL"
    template = "channel {channel_id} cannot be left on chain: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class ChannelIsFinal(LeavingRefused):
    """A challenge of it has expired or it was concluded: no state counts any more."""

    code = 1802
    next_step = "get paid what is yours with tally exit CHANNEL"
    template = "channel {channel_id} is final on chain: it cannot be challenged any more"
    channel_id: bytes


@dataclass(eq=False)
class NotResumable(LeavingRefused):
    """The channel cannot go on, or nothing keeps it from going on."""

    code = 1803
    next_step = "look at it with tally explain CHANNEL"
    template = "channel {channel_id} cannot be made to go on: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class ChallengeImpossible(LeavingRefused):
    """What is assumed of a challenge cannot be: the adjudicator would refuse it, or none runs."""

    code = 1804
    next_step = "look at it with tally explain CHANNEL, and assume what can be"
    template = "channel {channel_id} cannot be challenged so: {reason}"
    channel_id: bytes
    reason: str


class KitRefused(ProtocolError):
    """A dispute kit that cannot be used as it is."""


@dataclass(eq=False)
class KitDamaged(KitRefused):
    """What the file says contradicts itself, or is no dispute kit at all."""

    code = 1901
    next_step = "use another copy of the file, or export it again from the node"
    template = "the dispute kit is damaged at {what}: {reason}"
    what: str
    reason: str


@dataclass(eq=False)
class KitTooNew(KitRefused):
    """A later release wrote it in a form that this one does not know."""

    code = 1902
    next_step = "install the release that wrote it, or a later one"
    template = "the dispute kit is of version {version}, this release reads up to {known}"
    version: int
    known: int


@dataclass(eq=False)
class KitNeedsKey(KitRefused):
    """A signature that nobody could make in advance: of a payee's redemption, if its kit was not
    sealed (M21), or for a redemption that the payee checkpointed after the kit was made."""

    code = 1903
    next_step = "name the key of the kit's account with --channel-key, or export the kit --sealed"
    template = "the channel key of {account} is needed to leave channel {channel_id}"
    account: bytes
    channel_id: bytes


@dataclass(eq=False)
class KeyNotOfKit(KitRefused):
    """The channel key that was given is another account's."""

    code = 1904
    next_step = "name the keystore of the node that exported the kit"
    template = "the kit is of account {account}, the channel key is that of {given}"
    account: bytes
    given: bytes


@dataclass(eq=False)
class KitOutdated(KitRefused):
    """The chain knows a state that was signed after the kit was made: the kit's is refused."""

    code = 1905
    next_step = "use the newest kit, or a backup of the node's log"
    template = "channel {channel_id} went on after the kit was made: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class KitNotMade(KitRefused):
    """The channel moved on while its kit was made, again and again."""

    code = 1906
    retry_safe = True
    next_step = "export it again in a moment"
    template = "channel {channel_id} changes too often to be exported just now"
    channel_id: bytes


@dataclass(eq=False)
class GasNotFunded(KitRefused):
    """The key that pays for transactions cannot pay for those that are due now."""

    code = 1907
    retry_safe = True
    next_step = "send it some, or name another key with --key"
    template = "{account} has {balance} wei, and what is due now needs about {needed}"
    account: bytes
    balance: int
    needed: int
