"""Sentences for objectives, channels, states and the messages about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node.explain.story import Actor, Cast, Telling
from node.explain.words import (
    amount_words,
    counted,
    harmless,
    quoted,
    short_address,
    short_bytes,
    span,
)
from protocols import events, virtual_events
from protocols.channel import POSTFUND_TURN, PREFUND_TURN, REDEMPTION_TURN
from protocols.event import Event
from protocols.types import Address, amount_from_bytes, from_hex

Sentence = Callable[[Any, Cast], Telling]

_GOALS = {
    "DirectFund": "open the channel",
    "DirectDefund": "close the channel",
    "VirtualFund": "open the virtual channel",
    "VirtualDefund": "close the virtual channel",
    "Exit": "leave the channel alone",
    "Challenge": "challenge on chain",
    "Defend": "answer a challenge",
    "Withdraw": "be paid what is ours",
}
_MESSAGES = {
    "ChannelProposal": "a channel proposal",
    "SignedState": "a signed state",
    "FinalStateRequest": "the wish to close",
    "FinalStateRefusal": "a refusal of the final state",
    "ObjectiveRejection": "a rejection",
    "VirtualProposal": "a virtual channel proposal",
    "VirtualState": "signatures on a state of the virtual channel",
    "PostfundRenunciation": "a promise never to sign the postfund",
    "UnwindingRequest": "the wish to give the channel up",
    "AppStanding": "the newest state that both ends signed",
}
"""What the objective messages are to a person; other names are shown as they are."""


def turn_name(turn_num: int, *, is_final: bool) -> str:
    """prefund, postfund, redemption, final state or running state, with its turn."""
    if is_final:
        return f"final state (turn {turn_num})"
    # A ledger records what it is between its ends as changes: only a payment channel has a turn 2.
    named = {PREFUND_TURN: "prefund", POSTFUND_TURN: "postfund", REDEMPTION_TURN: "redemption"}
    return f"{named.get(turn_num, 'state')} (turn {turn_num})"


def message_words(payload_type: str | None) -> str:
    """What a message is to a person."""
    return _MESSAGES.get(payload_type or "", f"a message ({harmless(payload_type or 'no type')})")


def peer_of(peer_id: str) -> Address:
    """The address that a record spells in hex."""
    return from_hex(peer_id)


def _actor(address: Address, cast: Cast) -> Actor:
    return "us" if address == cast.me else "peer"


def _peer(address: Address, cast: Cast) -> Address | None:
    return None if address == cast.me else address


def _created(event: events.ObjectiveCreated, cast: Cast) -> Telling:
    goal = _GOALS.get(event.objective_type, harmless(event.objective_type))
    parties = ", ".join(
        "us" if party == cast.me else short_address(party) for party in event.participants
    )
    return Telling(f"The goal was set to {goal} {short_bytes(event.channel_id)} with {parties}.")


def _params(event: events.ObjectiveParamsRecorded, cast: Cast) -> Telling:
    if event.initiator != cast.me:
        who = cast.person(event.initiator)
        return Telling(
            f"It was {who} who asked for it.", "peer", None, event.initiator, is_detail=True
        )
    name = f" (request {quoted(event.request_id)})" if event.request_id else ""
    return Telling(f"Our owner asked for it{name}.", "owner", "us", None, "asks")


def _approved(event: events.ObjectiveApproved, cast: Cast) -> Telling:
    if event.approver is None:
        return Telling("Our policy allowed it.", label="allowed by policy")
    return Telling("It was approved on our side.", label="approved")


def _rejected(event: events.ObjectiveRejected, cast: Cast) -> Telling:
    code = f"{harmless(event.error_code)}: " if event.error_code else ""
    return Telling(f"It was rejected: {code}{harmless(event.reason)}.", label="rejected")


def _cranked(event: events.ObjectiveCranked, cast: Cast) -> Telling:
    after = "it waits for more" if event.waiting else "nothing more is waited for"
    count = counted(event.side_effects_count, "order")
    return Telling(f"The goal was looked at: {count} went out, {after}.", is_detail=True)


def _completed(event: events.ObjectiveCompleted, cast: Cast) -> Telling:
    if event.success:
        return Telling("The goal was reached.", label="done")
    return Telling("The goal ended without success.", label="failed")


def _channel_created(event: events.ChannelCreated, cast: Cast) -> Telling:
    kind = "" if cast.kind == "unknown" else f"{cast.kind} "
    return Telling(
        f"The {kind}channel got its id {short_bytes(event.channel_id)}; a challenge in it lasts "
        f"{span(event.challenge_duration * 1_000)}.",
        is_detail=True,
    )


def _state_stored(event: events.StateStored, cast: Cast) -> Telling:
    return Telling(f"A state was kept, hash {short_bytes(event.state_hash)}.", is_detail=True)


def _state_signed(event: events.StateSigned, cast: Cast) -> Telling:
    name = turn_name(event.turn_num, is_final=event.is_final)
    return Telling(f"We signed the {name}.", label=f"signs {name}")


def _state_received(event: events.StateReceived, cast: Cast) -> Telling:
    name = turn_name(event.turn_num, is_final=event.is_final)
    who = cast.person(event.signer)
    if event.turn_num == REDEMPTION_TURN and not event.is_final:
        told = f"The chain showed the {name} that {who} signed: we can challenge with it."
        return Telling(told, _actor(event.signer, cast), None, label=f"shows {name}")
    return Telling(
        f"The signature of {'us' if who == 'we' else who} on the {name} arrived.",
        _actor(event.signer, cast),
        None,
        _peer(event.signer, cast),
        is_detail=True,
    )


def _supported(event: events.StateSupportedUpdated, cast: Cast) -> Telling:
    count = counted(event.num_signatures, "signature")
    return Telling(
        f"Turn {event.supported_turn} is supported now: {count}.",
        label=f"turn {event.supported_turn} supported",
        is_detail=True,
    )


def _finalized(event: events.ChannelFinalized, cast: Cast) -> Telling:
    return Telling(
        f"Everybody signed the final state (turn {event.final_turn}): it can be settled without a "
        "challenge.",
        label="final state signed by all",
    )


def _final_requested(event: events.FinalStateRequested, cast: Cast) -> Telling:
    shown = f", showing vouchers for {cast.money(event.total)}" if any(event.total) else ""
    if event.requester == cast.me:
        return Telling(f"We asked for the final state{shown}.", label="asks to close")
    who = cast.person(event.requester)
    return Telling(
        f"The {who} asked for the final state{shown}.", "peer", "us", event.requester, ""
    )


def _final_refused(event: events.FinalStateRefused, cast: Cast) -> Telling:
    what = f"the final state of turn {event.turn_num}: {cast.money(event.total)} was paid already"
    if event.refuser == cast.me:
        return Telling(f"We refused {what}.", label="refuses final state")
    return Telling(
        f"{cast.person(event.refuser).capitalize()} refused {what}.", "peer", "us", event.refuser
    )


def _message_sent(event: events.MessageSent, cast: Cast) -> Telling:
    words, peer = message_words(event.payload_type), peer_of(event.peer_id)
    return Telling(
        f"We sent {words} to {cast.person(peer)}.", "us", "peer", peer, _label(event.payload_type)
    )


def _message_received(event: events.MessageReceived, cast: Cast) -> Telling:
    words, peer = message_words(event.payload_type), peer_of(event.peer_id)
    who = cast.person(peer)
    return Telling(f"From {who} came {words}.", "peer", "us", peer, _label(event.payload_type))


def _label(payload_type: str | None) -> str:
    short_words = {"ChannelProposal": "proposal", "VirtualProposal": "proposal"}
    short_words["VirtualState"] = "signatures"
    words = short_words.get(payload_type or "") or message_words(payload_type)
    return words.removeprefix("a ").removeprefix("the ")


def _message_acked(event: events.MessageAcked, cast: Cast) -> Telling:
    peer = peer_of(event.peer_id)
    return Telling(
        f"{cast.person(peer)} has our message {short_bytes(event.message_id)} on its disk, "
        f"{span(event.roundtrip_ms)} after it was sent.",
        "peer",
        "us",
        peer,
        is_detail=True,
    )


def _message_dropped(event: events.MessageDropped, cast: Cast) -> Telling:
    peer = peer_of(event.peer_id)
    return Telling(
        f"A message of {cast.person(peer)} was refused: {harmless(event.reason)} "
        f"({harmless(event.error_code)}).",
        "peer",
        "us",
        peer,
        "refused message",
    )


def _request(event: events.RequestRecorded, cast: Cast) -> Telling:
    return Telling(
        f"Our owner's command has the request id {quoted(event.request_id)}: repeated, it is "
        "answered alike.",
        "owner",
        is_detail=True,
    )


def _virtual_recorded(event: virtual_events.VirtualChannelRecorded, cast: Cast) -> Telling:
    sides = (("left", event.left_ledger), ("right", event.right_ledger))
    carried = " and ".join(
        f"the ledger {short_bytes(ledger)} on the {side}" for side, ledger in sides if ledger
    )
    total = sum(amount_from_bytes(fee) for fee in event.fees)
    fees = f"; hubs take {amount_words(cast.asset, total)} in all" if total else ""
    return Telling(f"It is to be carried by {carried}{fees}.", is_detail=True)


def _renounced(event: virtual_events.PostfundRenounced, cast: Cast) -> Telling:
    who = cast.person(event.participant)
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"{'We' if who == 'we' else who} will never sign the postfund ({why}).",
        _actor(event.participant, cast),
        None,
        _peer(event.participant, cast),
        "renounces the postfund",
    )


def _unwinding(event: virtual_events.UnwindingAsked, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(f"The channel is given up before it opened ({why}).", label="given up")


def _pruned(event: virtual_events.VirtualChannelPruned, cast: Cast) -> Telling:
    return Telling(
        "The channel came to nothing and left our memory; its id stays used.", label="forgotten"
    )


CHANNEL_SENTENCES: dict[type[Event], Sentence] = {
    events.ObjectiveCreated: _created,
    events.ObjectiveApproved: _approved,
    events.ObjectiveRejected: _rejected,
    events.ObjectiveCranked: _cranked,
    events.ObjectiveCompleted: _completed,
    events.ObjectiveParamsRecorded: _params,
    events.ChannelCreated: _channel_created,
    events.StateStored: _state_stored,
    events.StateSigned: _state_signed,
    events.StateReceived: _state_received,
    events.StateSupportedUpdated: _supported,
    events.ChannelFinalized: _finalized,
    events.FinalStateRequested: _final_requested,
    events.FinalStateRefused: _final_refused,
    events.MessageSent: _message_sent,
    events.MessageReceived: _message_received,
    events.MessageAcked: _message_acked,
    events.MessageDropped: _message_dropped,
    events.RequestRecorded: _request,
    virtual_events.VirtualChannelRecorded: _virtual_recorded,
    virtual_events.PostfundRenounced: _renounced,
    virtual_events.UnwindingAsked: _unwinding,
    virtual_events.VirtualChannelPruned: _pruned,
}
"""By event: what it says of an objective or a channel."""
