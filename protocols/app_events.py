"""Events of application channels."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, Bytes32, ChannelId, Signature, StateHash


class AppDefinitionRecorded(Event, frozen=True, array_like=True, gc=False):
    """A contract that judges the running states of application channels is known from here on."""

    NAME = "app-definition-recorded"
    app_definition: Address
    rule: str
    """Who must sign a running state: `message-log`, both ends; `judged`, the contract says."""


class AppChannelRecorded(Event, frozen=True, array_like=True, gc=False):
    """A channel is an application's: both ends agree on its reducer and its rule of turns."""

    NAME = "app-channel-recorded"
    channel_id: ChannelId
    reducer_id: Bytes32
    """sha256 of the reducer's code."""
    turn_rule: str
    """`alternate`, or `leader`: participant 0 orders what both say."""
    definition_rule: str
    """Of the contract it runs on, as `app-definition-recorded` says it."""


class AppMessageQueued(Event, frozen=True, array_like=True, gc=False):
    """Our owner wants a message said; nothing of it is signed."""

    NAME = "app-message-queued"
    channel_id: ChannelId
    local_id: Bytes32
    """Drawn by the shell, or derived from the request id."""
    payload: bytes
    request_id: str = ""


class AppMessagesOffered(Event, frozen=True, array_like=True, gc=False):
    """The other end was offered the first messages of our queue, unsigned."""

    NAME = "app-messages-offered"
    channel_id: ChannelId
    base_count: int
    """Messages of the channel before them, as far as we knew."""
    stamp_ms: int
    """Unix milliseconds, of all of them."""
    message_count: int


class AppOfferReceived(Event, frozen=True, array_like=True, gc=False):
    """The other end offers messages."""

    NAME = "app-offer-received"
    channel_id: ChannelId
    base_count: int
    stamp_ms: int
    digest: bytes
    """Of its view at the base; empty before the first message."""
    payloads: tuple[bytes, ...]
    digests: tuple[bytes, ...] = ()
    """Of its view after each of them."""


class AppMessageApplied(Event, frozen=True, array_like=True, gc=False):
    """Our reducer took a message in: it is the channel's next."""

    NAME = "app-message-applied"
    channel_id: ChannelId
    count: int
    """Messages with this one."""
    sender: Address
    stamp_ms: int
    message: bytes
    """As the state commits to it."""
    local_id: bytes = b""
    """Of ours, its name here; else empty."""


class AppMessageRefused(Event, frozen=True, array_like=True, gc=False):
    """A message left no trace but this: the reducer refused it or failed, or it was never asked."""

    NAME = "app-message-refused"
    channel_id: ChannelId
    sender: Address
    code: int
    """The reducer's own; 0 if it failed or was not asked."""
    failure: str
    """The name of the failure, or of the rule that the offer broke; empty with a code."""
    local_id: bytes = b""


class AppStateSigned(Event, frozen=True, array_like=True, gc=False):
    """We signed the state that the messages applied before it lead to."""

    NAME = "app-state-signed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature
    amounts: tuple[Amount32, ...]
    """What each end gets, as the reducer says."""
    digest: Bytes32
    """Of our view."""


class AppOfferAnswered(Event, frozen=True, array_like=True, gc=False):
    """The other end was told what became of its offer, with our signature if anything was taken."""

    NAME = "app-offer-answered"
    channel_id: ChannelId
    base_count: int
    decided_count: int
    """Messages of the offer that were given to the reducer; the rest is offered again."""
    error_code: str = ""
    """The rule that the whole offer broke; empty if it was judged."""


class AppAnswerReceived(Event, frozen=True, array_like=True, gc=False):
    """The other end says what became of our offer."""

    NAME = "app-answer-received"
    channel_id: ChannelId
    base_count: int
    decided_count: int
    refused_places: tuple[int, ...]
    refused_codes: tuple[int, ...]
    refused_failures: tuple[str, ...]
    error_code: str
    turn_num: int
    digest: bytes
    """Of its view; empty if nothing was taken."""
    signature: bytes
    """Over the state, if anything was taken."""


class AppAnswerJudged(Event, frozen=True, array_like=True, gc=False):
    """Our reducer came to the same as the other end's: what it did not decide is offered again."""

    NAME = "app-answer-judged"
    channel_id: ChannelId
    base_count: int
    decided_count: int


class AppStateConfirmed(Event, frozen=True, array_like=True, gc=False):
    """The other end's signature stands under the state too, and it is told so."""

    NAME = "app-state-confirmed"
    channel_id: ChannelId
    turn_num: int
    signature: Signature
    """The other end's, checked over the state that we signed."""


class AppConfirmationReceived(Event, frozen=True, array_like=True, gc=False):
    """The other end signed the state that we signed: it is supported."""

    NAME = "app-confirmation-received"
    channel_id: ChannelId
    turn_num: int
    signature: Signature


class AppChannelHalted(Event, frozen=True, array_like=True, gc=False):
    """The two ends do not come to the same: nothing but the end is signed any more."""

    NAME = "app-channel-halted"
    channel_id: ChannelId
    error_code: str
    """VERDICT_DIFFERS, STATE_DIFFERS or DIGEST_DIFFERS."""
    count: int
    """Messages up to which both agreed."""
    ours: str
    theirs: str


class AppHaltReceived(Event, frozen=True, array_like=True, gc=False):
    """The other end says that it halted the channel, and so do we."""

    NAME = "app-halt-received"
    channel_id: ChannelId
    error_code: str
    reason: str


class AppStandingTaken(Event, frozen=True, array_like=True, gc=False):
    """The other end showed a state that both signed and that is newer than what we know (M27)."""

    NAME = "app-standing-taken"
    channel_id: ChannelId
    encoded_state: bytes
    signatures: tuple[Signature, ...]
    """By end."""


class AppMoveClaimed(Event, frozen=True, array_like=True, gc=False):
    """Our next move is signed for the chain, whether the other end answers or not (M25)."""

    NAME = "app-move-claimed"
    channel_id: ChannelId
    count: int
    """Messages with it."""


class AppMoveShown(Event, frozen=True, array_like=True, gc=False):
    """The other end's next move stands on chain: our reducer is to take it in (M25)."""

    NAME = "app-move-shown"
    channel_id: ChannelId
    count: int
    """Messages with it."""
    message: bytes


class AppMoveTaken(Event, frozen=True, array_like=True, gc=False):
    """The other end's move that the chain shows is the channel's next: our reducer took it in."""

    NAME = "app-move-taken"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature
    """The other end's, which alone supports it."""
    amounts: tuple[Amount32, ...]
    """What each end gets, as the reducer says."""
    digest: Bytes32
    """Of our view."""


class AppSignatureShown(Event, frozen=True, array_like=True, gc=False):
    """The chain shows the other end's signature under the newest state that we signed."""

    NAME = "app-signature-shown"
    channel_id: ChannelId
    turn_num: int
    signature: Signature
