"""An application channel in the audit's own words: its messages, their root, who signed what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocols import app_events
from protocols.abi import encode_state
from protocols.app_channel import JUDGED
from protocols.app_data import AppData, decode_app_data, encode_app_data
from protocols.crypto import keccak256
from protocols.errors import ProtocolError
from protocols.outcome import Allocation, SingleAssetExit
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import amount_from_bytes

APP_EVENTS = (
    app_events.AppChannelRecorded
    | app_events.AppMessageQueued
    | app_events.AppMessagesOffered
    | app_events.AppOfferReceived
    | app_events.AppMessageApplied
    | app_events.AppMessageRefused
    | app_events.AppStateSigned
    | app_events.AppOfferAnswered
    | app_events.AppAnswerReceived
    | app_events.AppAnswerJudged
    | app_events.AppStateConfirmed
    | app_events.AppConfirmationReceived
    | app_events.AppChannelHalted
    | app_events.AppHaltReceived
    | app_events.AppStandingTaken
    | app_events.AppMoveClaimed
    | app_events.AppMoveShown
    | app_events.AppMoveTaken
    | app_events.AppSignatureShown
)


@dataclass(slots=True)
class AppFacts:
    """What the log has told of it."""

    reducer_id: bytes
    turn_rule: str
    definition_rule: str
    my_end: int
    """0 for the first participant, 1 for the last."""
    count: int = 0
    root: bytes = bytes(32)
    message: bytes = b""
    stamp_ms: int = 0
    signed_count: int = 0
    """Messages up to which we signed, or both did."""
    signed_hash: bytes = b""
    signed_amounts: tuple[int, ...] = ()
    supported_count: int = 0
    supported_point: tuple[bytes, bytes, int] = (bytes(32), b"", 0)
    """Root, message and time at that count."""
    supported_amounts: tuple[int, ...] = ()
    """Empty: the deposits."""
    supported_hash: bytes = b""
    """Of the newest running state that can be enforced; empty before the first."""
    queued: list[bytes] = field(default_factory=list)
    """Our own messages that are not decided, by name."""
    halted: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether a state of ours lacks the other end's signature."""
        return self.signed_count > self.supported_count

    def apply(self, event: Any, fixed: FixedPart) -> None:
        """Take one more record for granted."""
        match event:
            case app_events.AppMessageQueued():
                self.queued.append(event.local_id)
            case app_events.AppMessageApplied():
                self.count, self.message, self.stamp_ms = event.count, event.message, event.stamp_ms
                self.root = keccak256(self.root + keccak256(event.message))
                self._decided(event.local_id)
            case app_events.AppMessageRefused():
                self._decided(event.local_id)
            case app_events.AppStateSigned() | app_events.AppMoveTaken():
                self.signed_count, self.signed_hash = self.count, event.state_hash
                self.signed_amounts = tuple(map(amount_from_bytes, event.amounts))
                is_ours = isinstance(event, app_events.AppStateSigned)
                signer = self.my_end if is_ours else 1 - self.my_end
                if self.definition_rule == JUDGED and (self.count - 1) % 2 == signer:
                    self._supported()
            case (
                app_events.AppStateConfirmed()
                | app_events.AppConfirmationReceived()
                | app_events.AppSignatureShown()
            ):
                self._supported()
            case app_events.AppMoveShown() if self.is_waiting:
                # What the other end offered in its place is taken back.
                self.count = self.signed_count = self.supported_count
                self.root, self.message, self.stamp_ms = self.supported_point
            case app_events.AppChannelHalted() | app_events.AppHaltReceived():
                self.halted = event.error_code
                self.queued.clear()
            case app_events.AppStandingTaken():
                self._shown(event, fixed)

    def _supported(self) -> None:
        self.supported_count, self.supported_amounts = self.signed_count, self.signed_amounts
        self.supported_point = (self.root, self.message, self.stamp_ms)
        self.supported_hash = self.signed_hash

    def _decided(self, name: bytes) -> None:
        if name in self.queued:
            self.queued.remove(name)

    def _shown(self, event: app_events.AppStandingTaken, fixed: FixedPart) -> None:
        try:
            state = state_from_encoding(fixed, event.encoded_state)
            data = decode_app_data(state.app_data)
        except ProtocolError:
            return
        self.count = self.signed_count = self.supported_count = data.count
        self.root, self.message = data.root, data.message
        amounts = tuple(share.amount for exit_ in state.outcome for share in exit_.allocations)
        self.signed_amounts, self.signed_hash = amounts, keccak256(event.encoded_state)
        self._supported()

    def state_hash(self, fixed: FixedPart, prefund: State, amounts: tuple[int, ...]) -> bytes:
        """What is signed of the messages so far, if they pay the ends so much."""
        (exit_,) = prefund.outcome
        shares = tuple(
            Allocation(share.destination, amount, share.allocation_type, share.metadata)
            for share, amount in zip(exit_.allocations, amounts, strict=True)
        )
        outcome = (SingleAssetExit(exit_.asset, shares, exit_.asset_type, exit_.asset_metadata),)
        data = encode_app_data(AppData(self.reducer_id, self.root, self.count, self.message))
        return keccak256(encode_state(fixed.channel_id(), data, outcome, self.count + 1, False))
