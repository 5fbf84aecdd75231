"""Assumptions of a simulation as callers write them: each kind takes the fields that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct

from node.rpc.bounds import PATH_COUNT_MAX
from node.rpc.errors import InvalidParams
from node.rpc.params import (
    AddressText,
    AmountText,
    Hash32Text,
    parse_account,
    parse_amount,
    parse_hash32,
)
from node.whatif import assumptions as assume
from node.whatif.limits import DURATION_S_MAX, EVENT_COUNT_MAX
from protocols.types import Address

Result = TypeVar("Result")

Kind = Literal[
    "wait",
    "silence",
    "chain_silence",
    "no_deposit",
    "payment",
    "open_channel",
    "open_ledger",
    "close",
    "approve",
    "reject",
    "restart",
    "messages_lost",
    "message_lost",
    "deposited",
    "concluded",
    "challenged",
    "challenge_expires",
    "exit",
    "gas_price",
    "reorg",
    "endpoint_lies",
]


class AssumptionParams(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One thing that is assumed to happen. Each kind takes the fields that it names.

    wait, chain_silence: duration_s. silence: peer, duration_s. no_deposit: channel_id, duration_s.
    payment, deposited: channel_id, amount. close, exit, concluded, challenge_expires: channel_id.
    challenged: channel_id, and turn_num if wanted. approve, reject: objective_id. messages_lost:
    peer. message_lost: peer, number. restart: nothing. open_channel: peer, amount, and asset, path,
    over_ledger, fees if wanted. open_ledger: peer, amount, and counterparty_amount, asset if
    wanted. gas_price: amount, wei for a unit of gas. reorg: number, of blocks. endpoint_lies: lie,
    channel_id, and amount for invents_deposit, duration_s for hides_challenge, turn_num if wanted
    for both challenges.
    """

    kind: Kind
    peer: AddressText | None = None
    channel_id: Hash32Text | None = None
    objective_id: Hash32Text | None = None
    amount: AmountText | None = None
    duration_s: Annotated[int, Meta(ge=0, le=DURATION_S_MAX)] | None = None
    """Seconds that pass."""
    number: Annotated[int, Meta(ge=1, le=EVENT_COUNT_MAX)] | None = None
    """Which message to the peer is lost: 1 is the next that leaves. reorg: how many blocks."""
    turn_num: Annotated[int, Meta(ge=0, lt=2**48)] | None = None
    """The turn of the state that the other party challenges with; 0, the oldest, unless given."""
    counterparty_amount: AmountText | None = None
    """What the other party of a ledger would deposit."""
    asset: AddressText | None = None
    """The zero address is the chain's own currency."""
    path: Annotated[list[AddressText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """The intermediaries between us and the peer, in order: over ledgers."""
    over_ledger: bool | None = None
    """Over our own ledger with the peer."""
    lie: Literal["invents_challenge", "invents_deposit", "hides_challenge"] | None = None
    """What the endpoint in use says falsely of the channel: a challenge of the other party or its
    deposit that nobody made, or nothing of a challenge that it made."""
    fees: Annotated[list[AmountText], Meta(max_length=PATH_COUNT_MAX)] | None = None
    """By intermediary."""


class _Fields:
    """The fields of one assumption: what a kind needs is there, and nothing it does not know."""

    def __init__(self, place: str, given: AssumptionParams) -> None:
        self._place = place
        self._given = given
        self._unread = {
            name
            for name in given.__struct_fields__
            if name != "kind" and getattr(given, name) is not None
        }

    def _read(self, name: str, parse: Callable[[str, Any], Result]) -> Result:
        value = getattr(self._given, name)
        place = f"{self._place}.{name}"
        if value is None:
            raise InvalidParams(place, f"{self._given.kind} needs it")
        self._unread.discard(name)
        return parse(place, value)

    def _or(self, name: str, parse: Callable[[str, Any], Result], otherwise: Result) -> Result:
        is_there = getattr(self._given, name) is not None
        return self._read(name, parse) if is_there else otherwise

    def account(self, name: str = "peer") -> Address:
        """An address that must be given."""
        return self._read(name, parse_account)

    def amount(self) -> int:
        """The amount."""
        return self._read("amount", parse_amount)

    def amount_or(self, name: str) -> int:
        """An amount that is 0 if it is left out."""
        return self._or(name, parse_amount, 0)

    def asset(self) -> Address:
        """The chain's own currency if it is left out."""
        return self._or("asset", parse_account, bytes(20))

    def identity(self, name: str) -> bytes:
        """The id of a channel or an objective."""
        return self._read(name, parse_hash32)

    def duration_s(self) -> int:
        """How long."""
        return self._read("duration_s", lambda place, value: int(value))

    def number(self) -> int:
        """Which one."""
        return self._read("number", lambda place, value: int(value))

    def turn_num(self) -> int:
        """The oldest if it is left out."""
        return self._or("turn_num", lambda place, value: int(value), 0)

    def accounts(self) -> tuple[Address, ...]:
        """The path; empty if it is left out."""
        return self._or("path", _all(parse_account), ())

    def fees(self) -> tuple[int, ...]:
        """Likewise."""
        return self._or("fees", _all(parse_amount), ())

    def lie(self) -> assume.LieKind:
        """What is said falsely."""
        return self._read("lie", lambda place, value: assume.LieKind(value))

    def flag(self, name: str) -> bool:
        """False if it is left out."""
        return self._or(name, lambda place, value: bool(value), otherwise=False)

    def finish(self) -> None:
        """Raise InvalidParams for a field that the kind does not take."""
        for name in sorted(self._unread):
            raise InvalidParams(f"{self._place}.{name}", f"{self._given.kind} takes none")


def _all(parse: Callable[[str, str], Result]) -> Callable[[str, list[str]], tuple[Result, ...]]:
    return lambda place, values: tuple(parse(place, value) for value in values)


def _open_channel(f: _Fields) -> assume.Assumption:
    via = f.accounts()
    return assume.Open(
        f.account(),
        f.amount(),
        f.asset(),
        via=via,
        over_ledgers=f.flag("over_ledger") or bool(via),
        fees=f.fees(),
    )


def _open_ledger(f: _Fields) -> assume.Assumption:
    theirs = f.amount_or("counterparty_amount")
    return assume.Open(
        f.account(), f.amount(), f.asset(), is_ledger=True, counterparty_amount=theirs
    )


def _endpoint_lies(f: _Fields) -> assume.Assumption:
    kind, channel_id = f.lie(), f.identity("channel_id")
    if kind == assume.LieKind.INVENTS_DEPOSIT:
        return assume.EndpointLies(kind, channel_id, amount=f.amount())
    duration_s = f.duration_s() if kind == assume.LieKind.HIDES_CHALLENGE else 0
    return assume.EndpointLies(kind, channel_id, f.turn_num(), duration_s=duration_s)


_KINDS: dict[str, Callable[[_Fields], assume.Assumption]] = {
    "wait": lambda f: assume.Wait(f.duration_s()),
    "silence": lambda f: assume.Silence(f.account(), f.duration_s()),
    "chain_silence": lambda f: assume.ChainSilence(f.duration_s()),
    "no_deposit": lambda f: assume.NoDeposit(f.identity("channel_id"), f.duration_s()),
    "payment": lambda f: assume.Payment(f.identity("channel_id"), f.amount()),
    "open_channel": _open_channel,
    "open_ledger": _open_ledger,
    "close": lambda f: assume.Close(f.identity("channel_id")),
    "approve": lambda f: assume.Decide(f.identity("objective_id"), approves=True),
    "reject": lambda f: assume.Decide(f.identity("objective_id"), approves=False),
    "restart": lambda f: assume.Restart(),
    "messages_lost": lambda f: assume.MessagesLost(f.account()),
    "message_lost": lambda f: assume.MessageLost(f.account(), f.number()),
    "deposited": lambda f: assume.Deposited(f.identity("channel_id"), f.amount()),
    "concluded": lambda f: assume.Concluded(f.identity("channel_id")),
    "challenged": lambda f: assume.Challenged(f.identity("channel_id"), f.turn_num()),
    "challenge_expires": lambda f: assume.ChallengeExpires(f.identity("channel_id")),
    "reorg": lambda f: assume.Reorg(f.number()),
    "endpoint_lies": _endpoint_lies,
    "gas_price": lambda f: assume.GasPrice(f.amount()),
    "exit": lambda f: assume.Exit(f.identity("channel_id")),
}


def assumption_of(place: str, given: AssumptionParams) -> assume.Assumption:
    """Read what stands at `place` of the parameters. Raises InvalidParams."""
    read = _Fields(place, given)
    found = _KINDS[given.kind](read)
    read.finish()
    return found
