"""Paths of virtual channels: what they would cost, and what this node does as a hub."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from node.rpc.interface import NodeApi
from node.rpc.params import (
    AddressText,
    AmountText,
    Hash32Text,
    MomentParams,
    Params,
    parse_account,
    parse_amount,
    parse_hash32,
)
from node.rpc.queries import node_at
from node.rpc.results import AddressOut, AmountOut
from protocols.app_definitions import message_log_app
from protocols.app_errors import NoMessageLogApp
from protocols.errors import PayeeMustOpenWithZero
from protocols.routes import PARTICIPANT_COUNT_MAX, TIME_LEFT_MS_MAX, AppTerms, Hop, total_fee
from protocols.types import UINT48_MAX, amount_from_bytes, amount_to_bytes, checksum_address


class RouteQuoteParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which path to ask, and what the channel would be like."""

    path: Annotated[list[AddressText], Meta(min_length=1, max_length=PARTICIPANT_COUNT_MAX - 1)]
    """The intermediaries in order, then the payee or the other player."""
    amount: AmountText
    """What we could pay at most, or would put into an application."""
    asset: AddressText = "0x" + "00" * 20
    """The zero address is the chain's own currency."""
    challenge_duration_s: Annotated[int, Meta(ge=0, le=UINT48_MAX)] = 86_400
    """How long each side would have to answer a challenge on chain."""
    timeout_ms: Annotated[int, Meta(ge=1, le=TIME_LEFT_MS_MAX)] = 5_000
    """How long to wait for answers; who is silent then is named."""
    reducer: Hash32Text | None = None
    """For an application's channel: sha256 of the code."""
    app: AddressText | None = None
    """For an application's channel: its contract; left out, the deployment's MessageLogApp."""
    counterparty_amount: AmountText = "0"
    """What the other end would put into the application."""


class RouteHop(Struct, frozen=True, gc=False):
    """What one participant of the path says."""

    participant: AddressOut
    ok: bool
    fee: AmountOut
    error_code: str
    """The stable name of what is in the way; empty if nothing is."""
    reason: str


class RouteQuote(Struct, frozen=True, gc=False):
    """What the path says now; nothing is promised or set aside by it."""

    ok: bool
    """True if every participant would take part."""
    total_fee: AmountOut
    """Of all intermediaries that answered."""
    fees: list[AmountOut]
    """By intermediary, in path order: what `channel_open` takes."""
    hops: list[RouteHop]
    """Every participant, ourselves first."""


HubStatus = Annotated[
    dict[str, Any],
    Meta(
        description="enabled; guarantee_count_max of one ledger; channel_count carried between "
        "others; assets, each with its fees, capacity, what is carried, exposure_max and "
        "fees_earned; peers, each with its exposure by asset; at. Amounts are decimal strings, a "
        "limit of null is none. Of a past moment the terms are not known: they are null."
    ),
]


async def route_quote(node: NodeApi, p: RouteQuoteParams) -> RouteQuote:
    """Ask along the path; `PathRefused` for one that cannot be."""
    app = app_terms(node, p.reducer, p.app, p.counterparty_amount)
    hops = await node.route_quote(
        tuple(parse_account("path", address) for address in p.path),
        parse_account("asset", p.asset),
        parse_amount("amount", p.amount),
        p.challenge_duration_s,
        p.timeout_ms,
        app,
    )
    fees = [str(amount_from_bytes(hop.fee)) for hop in hops[1:-1]]
    return RouteQuote(
        all(hop.ok for hop in hops), str(total_fee(hops)), fees, [_shown(hop) for hop in hops]
    )


def app_terms(
    node: NodeApi, reducer: str | None, app: str | None, counterparty_amount: str
) -> AppTerms | None:
    """What an application's channel is like, for those on its path; None for a payment channel.

    Raises PayeeMustOpenWithZero or NoMessageLogApp.
    """
    theirs = parse_amount("counterparty_amount", counterparty_amount)
    if reducer is None and app is None:
        if theirs:
            raise PayeeMustOpenWithZero(theirs)
        return None
    contract = message_log_app(node.state.node) if app is None else parse_account("app", app)
    if not contract:
        raise NoMessageLogApp()
    reducer_id = b"" if reducer is None else parse_hash32("reducer", reducer)
    return AppTerms(contract, reducer_id, amount_to_bytes(theirs))


def _shown(hop: Hop) -> RouteHop:
    participant, fee = checksum_address(hop.participant), str(amount_from_bytes(hop.fee))
    return RouteHop(participant, hop.ok, fee, hop.error_code, hop.reason)


async def hub_status(node: NodeApi, p: MomentParams) -> dict[str, object]:
    """Terms, room taken and fees earned."""
    return (await node_at(node, p.at)).hub_status()
