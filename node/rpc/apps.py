"""Application channels: opening them, saying something in them, and reading what was said.

Parameters, results and how the one becomes the other, beside each other.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from node.answers import Answer
from node.rpc.bounds import LIST_COUNT_MAX, PATH_COUNT_MAX
from node.rpc.commands import PathParams, fees_of, virtual_path, with_fees_for
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import (
    AddressText,
    AmountText,
    ChallengeDuration,
    Hash32Text,
    Params,
    RequestIdText,
    parse_account,
    parse_amount,
    parse_hash32,
)
from node.rpc.results import AddressOut, Hash32Out
from node.rpc.routes import app_terms
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX
from protocols.app_errors import NotAnAppChannel
from protocols.app_events import AppMessageApplied
from protocols.channel import Channel
from protocols.commands import OpenApp, OpenVirtualApp, SendAppMessage
from protocols.crypto import keccak256
from protocols.errors import UnknownChannel
from protocols.inputs import Input
from protocols.types import ZERO_ADDRESS, Address, checksum_address, to_hex

QUERY_SIZE_MAX = 65_536
"""Characters of a question."""

HexText = Annotated[
    str,
    Meta(
        description="Bytes in 0x hex.",
        examples=["0x9101"],
        max_length=2 + 2 * MESSAGE_SIZE_BYTES_MAX,
        extra_json_schema={"pattern": "^0x([0-9a-fA-F]{2})+$"},
    ),
]
HexOut = Annotated[str, Meta(description="Bytes in lower-case 0x hex.")]
TurnRule = Literal["alternate", "leader"]


class AppOpenParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """With whom, which reducer, and who puts in what."""

    counterparty: AddressText
    """The other end; the configuration says where it listens."""
    reducer: Hash32Text
    """sha256 of the code, which both ends have installed."""
    amount: AmountText
    """Our deposit."""
    counterparty_amount: AmountText = "0"
    """The other end's deposit."""
    asset: AddressText = "0x" + ZERO_ADDRESS.hex()
    """The zero address is the chain's own currency."""
    turn_rule: TurnRule = "alternate"
    """alternate: the ends take turns, we begin. leader: both say what they like, in our order."""
    app: AddressText | None = None
    """A contract that judges the moves; left out, the deployment's MessageLogApp."""
    challenge_duration_s: ChallengeDuration = 86_400
    """How long each side has to answer a challenge on chain."""
    path: Annotated[list[AddressText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """Over ledgers: the intermediaries in order, then the other end."""
    over_ledger: bool = False
    """Without a path: over our own ledger with the other end, nobody in between."""
    fees: Annotated[list[AmountText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """What each intermediary takes, in path order; left out, what the path quotes now."""
    fee_max: AmountText | None = None
    """What all of them together may take; nothing, unless `fees` or this says it."""
    request_id: RequestIdText = ""
    until: Literal["durable", "completed"] = "durable"
    """durable: answered once the proposal is on our disk. completed: once the channel is open."""


class AppSendParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """What to say."""

    channel_id: Hash32Text
    payload: HexText
    """One value in MessagePack, as the reducer wants it."""
    request_id: RequestIdText = ""
    until: Literal["durable", "decided"] = "durable"
    """durable: answered once it waits on our disk; `app_messages` shows it while it does. decided:
    once both ends took it in, or it was refused. Sent again with the same `request_id` it is
    the same message."""


class AppMessagesParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which messages to show."""

    channel_id: Hash32Text
    after_count: Annotated[int, Meta(ge=0, le=2**48)] = 0
    """Only those after so many."""
    limit: Annotated[int, Meta(ge=1, le=LIST_COUNT_MAX)] = LIST_COUNT_MAX


class AppQueryParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """What to ask the channel's view."""

    channel_id: Hash32Text
    sql: Annotated[str, Meta(min_length=1, max_length=QUERY_SIZE_MAX)]
    """One statement that reads."""
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 5_000
    """How long it may take."""


class AppSendResult(Struct, frozen=True, gc=False):
    """A message waits, or was taken in by both ends."""

    seq: int
    channel_id: Hash32Out
    message_id: Hash32Out
    """Our own name of it, in our records."""
    count: int | None
    """Messages of the channel with it; null while it is not decided."""


class AppMessageView(Struct, frozen=True, gc=False):
    """A message that both ends' reducers took in."""

    count: int
    """Its number, from 1 on."""
    seq: int
    sender: AddressOut
    timestamp_ms: int
    """Which both agreed on; 0 where a contract judges the moves."""
    message: HexOut
    """As the channel's states commit to it."""


class AppWaitingView(Struct, frozen=True, gc=False):
    """A message of ours that is queued, and not decided."""

    message_id: Hash32Out
    """As `app_send` answered."""
    payload: HexOut
    offered: bool
    """Whether it was offered to the other end, who decides on it once it is there."""


class AppMessagesResult(Struct, frozen=True, gc=False):
    """Messages in order."""

    messages: list[AppMessageView]
    waiting: list[AppWaitingView]
    """Of ours, the first that are not decided yet, in order; at most `limit`."""
    waiting_count: int
    """All of those."""
    count: int
    """All that the newest state holds."""
    root: Hash32Out
    """Of all of them, as that state commits to it."""
    digest: HexOut
    """Of the view after them; 0x before the first."""
    halted: str
    """Why nothing is said any more, by name; empty while it goes on."""


class AppQueryResult(Struct, frozen=True, gc=False):
    """An answer of the view."""

    columns: list[str]
    rows: list[list[Any]]
    """Bytes as {"hex": ...}."""
    count: int
    """Messages that the view held at least when it was asked."""


def open_app(p: AppOpenParams) -> Input:
    """Open an application channel, over the chain or over ledgers.

    The entropy of its nonce is drawn here (M10).
    """
    path = virtual_path(p)
    if path is not None:
        return _open_over_ledgers(p, path)
    return OpenApp(
        counterparty=parse_account("counterparty", p.counterparty),
        asset=parse_account("asset", p.asset),
        amount=parse_amount("amount", p.amount),
        counterparty_amount=parse_amount("counterparty_amount", p.counterparty_amount),
        challenge_duration=p.challenge_duration_s,
        reducer_id=parse_hash32("reducer", p.reducer),
        turn_rule=p.turn_rule,
        app_definition=b"" if p.app is None else parse_account("app", p.app),
        nonce_entropy=secrets.token_bytes(4),
        request_id=p.request_id,
    )


async def with_fees(node: NodeApi, p: AppOpenParams) -> PathParams:
    """The parameters with the fees that the path quotes for such a channel, unless they say them.

    Raises PathRefused for the first hop that would take no part, or NoMessageLogApp.
    """
    return await with_fees_for(
        node, p, lambda: app_terms(node, p.reducer, p.app, p.counterparty_amount)
    )


def _open_over_ledgers(p: AppOpenParams, path: tuple[Address, ...]) -> Input:
    return OpenVirtualApp(
        path=path,
        asset=parse_account("asset", p.asset),
        amount=parse_amount("amount", p.amount),
        fees=fees_of(p, intermediary_count=len(path) - 1),
        challenge_duration=p.challenge_duration_s,
        reducer_id=parse_hash32("reducer", p.reducer),
        turn_rule=p.turn_rule,
        app_definition=b"" if p.app is None else parse_account("app", p.app),
        nonce_entropy=secrets.token_bytes(4),
        request_id=p.request_id,
        counterparty_amount=parse_amount("counterparty_amount", p.counterparty_amount),
    )


def send_message(p: AppSendParams) -> Input:
    """Say something; its name is drawn here unless the request id gives it."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    try:
        payload = bytes.fromhex(p.payload.removeprefix("0x")) if p.payload[:2] == "0x" else b""
    except ValueError:
        payload = b""
    if not payload:
        raise InvalidParams("payload", "bytes in 0x hex, one at least")
    message_id = (
        keccak256(b"message|" + channel_id + p.request_id.encode())
        if p.request_id
        else secrets.token_bytes(32)
    )
    return SendAppMessage(channel_id, payload, message_id, p.request_id)


def send_result(answer: Answer) -> AppSendResult:
    """What became of a message."""
    ids = to_hex(answer.channel_id), to_hex(answer.message_id)
    return AppSendResult(answer.seq, *ids, answer.message_count or None)


async def messages(node: NodeApi, p: AppMessagesParams) -> AppMessagesResult:
    """What was said, out of the log. Raises UnknownChannel or NotAnAppChannel."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    channel = _app_channel(node, channel_id)
    assert channel.app is not None, "an application's"
    tip, by_count, seq = channel.app.supported, dict[int, AppMessageView](), 0
    is_complete = False
    while not is_complete and len(by_count) < p.limit:
        entries = node.record(seq, LIST_COUNT_MAX, channel_id, node.seq)
        is_complete = len(entries) < LIST_COUNT_MAX
        for entry in entries:
            payload = entry.payload
            if entry.name != AppMessageApplied.NAME or payload["count"] <= p.after_count:
                continue
            if payload["count"] > tip.count or len(by_count) == p.limit:
                break
            by_count[payload["count"]] = AppMessageView(
                payload["count"],
                entry.seq,
                checksum_address(bytes.fromhex(payload["sender"][2:])),
                payload["stamp_ms"],
                payload["message"],
            )
        seq = entries[-1].seq + 1 if entries else seq
    queue, offered_count = channel.app.queue, channel.app.offered_count
    waiting = [
        AppWaitingView(to_hex(queued.message_id), to_hex(queued.payload), place < offered_count)
        for place, queued in enumerate(queue[: p.limit])
    ]
    ends = to_hex(tip.root), to_hex(tip.digest)
    said = list(by_count.values())
    return AppMessagesResult(said, waiting, len(queue), tip.count, *ends, channel.app.halted)


async def query(node: NodeApi, p: AppQueryParams) -> AppQueryResult:
    """A question to the channel's view. Raises UnknownChannel, NotAnAppChannel, AppQueryFailed."""
    channel = _app_channel(node, parse_hash32("channel_id", p.channel_id))
    assert channel.app is not None, "an application's"
    count = channel.app.supported.count
    columns, rows = await node.app_query(channel.channel_id, p.sql, p.timeout_ms / 1000)
    return AppQueryResult(columns, rows, count)


def _app_channel(node: NodeApi, channel_id: bytes) -> Channel:
    channel = node.state.channels.get(channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    if channel.app is None:
        raise NotAnAppChannel(channel_id)
    return channel
