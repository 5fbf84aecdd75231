"""What a party gets if it leaves now, whatever the others do: M22, from signed material alone.

Leaving is challenge or conclude, finalise, reclaim every guarantee, transfer
(`protocols.settlement`). What it brings is the minimum over every way in which the others can bring
channels to an end despite the party's best answer (M20):

- a ledger ends in the newest state the party holds with all signatures, or in a later one that it
  signed: the other may have signed that too. A final state it signed can be concluded at any time;
- a payment channel ends in what the payee redeems: for the payee the largest voucher it accepted,
  for the payer the largest she issued, for a hub, which sees no voucher, anything; or in a final
  state that the party signed;
- an application's channel ends as `protocols.app_endings` says;
- a guarantee whose channel nobody can be made to finalise is nobody's.

It counts no gas. Pure arithmetic on values: whether signatures are right was checked when they came
in.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import product
from math import prod

from msgspec import Struct
from msgspec.structs import replace

from protocols.app_endings import endings_of_application
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    confirmed_holdings,
    funding_terms,
)
from protocols.errors import TooManyEndings
from protocols.ledger import Ledger, after, ledger_state
from protocols.objectives.app_supports import running_states
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    SingleAssetExit,
    decode_guarantee_metadata,
    destination_of,
    total,
)
from protocols.settlement import payouts
from protocols.signed_state import SignedState as SignedState
from protocols.state import FixedPart
from protocols.steps import finished
from protocols.types import Address, Amount, ChannelId, Destination

LOOKED_AT_COUNT_MAX = 250_000
"""Guarantees and channels looked at, over all endings of linked ledgers: two seconds or so. One
ledger with all that it may hold and a full queue is within it."""


STOP_COUNT = 16
"""Channels looked at between two stops: a millisecond or so."""


class Material(Struct, frozen=True, gc=False):
    """What a party holds of one channel, of one asset."""

    fixed: FixedPart
    states: tuple[SignedState, ...]
    """The prefund first, in any order otherwise."""
    voucher: Amount | None = None
    """Largest voucher it issued or accepted; None for a channel that carries none: a ledger."""
    held: Amount = 0
    """What the adjudicator holds for the channel; 0 for a virtual one."""
    app_rule: str = ""
    """Of an application's contract (`app_definitions`); empty for other channels."""

    @property
    def carries(self) -> bool:
        """Whether it may carry other channels: it is a ledger."""
        return self.voucher is None and not self.app_rule

    @property
    def opening(self) -> SingleAssetExit:
        """The outcome of the prefund."""
        (exit_,) = self.states[0].state.outcome
        return exit_


Endings = tuple[SingleAssetExit | None, ...]
"""The outcomes a channel may end in, the best defence given; None: it may never finalise."""


def endings(material: Material, me: Address) -> Endings:
    """In what the others can make the channel end, of all that `me` signed."""
    index = material.fixed.participants.index(me)
    mine = [signed for signed in material.states if signed.signatures[index]]
    finals = [signed for signed in mine if signed.state.is_final]
    supported = [signed for signed in material.states if signed.is_signed_by_all]
    if any(signed.state.is_final for signed in supported):
        # M20: any challenge is answered by concluding.
        return _outcomes(finals)
    if material.app_rule:
        states = [signed for signed in material.states if not signed.state.is_final]
        ways = endings_of_application(material.app_rule, states, index)
        return tuple(dict.fromkeys((*ways, *_outcomes(finals))))
    if material.voucher is None:
        newest = max(supported, key=lambda signed: signed.state.turn_num, default=None)
        turn_num = -1 if newest is None else newest.state.turn_num
        later = [signed for signed in mine if signed.state.turn_num > turn_num]
        held = _outcomes([newest]) if newest is not None else (None,)
        return tuple(dict.fromkeys((*held, *_outcomes([*later, *finals]))))
    amounts = _redeemable(material, mine, index)
    running = tuple(_split(material.opening, amount) for amount in amounts)
    locked = () if supported else (None,)
    return tuple(dict.fromkeys((*locked, *running, *_outcomes(finals))))


def _outcomes(signed_states: Iterable[SignedState]) -> tuple[SingleAssetExit, ...]:
    return tuple(signed.state.outcome[0] for signed in signed_states)


def _split(opening: SingleAssetExit, paid: Amount) -> SingleAssetExit:
    """The opening outcome with `paid` of the deposit the payee's."""
    payer, payee = opening.allocations
    shares = (replace(payer, amount=payer.amount - paid), replace(payee, amount=paid))
    return replace(opening, allocations=shares)


def _redeemable(material: Material, mine: Sequence[SignedState], index: int) -> set[Amount]:
    """What the payee may end up with if the channel ends without a final state."""
    turns = {signed.state.turn_num: signed for signed in mine if not signed.state.is_final}
    if POSTFUND_TURN not in turns:
        return {0} if PREFUND_TURN in turns else set()
    voucher = material.voucher or 0
    if index == len(material.fixed.participants) - 1:
        if not turns[POSTFUND_TURN].is_signed_by_all:
            return {0}
        redemption = turns.get(REDEMPTION_TURN)
        if redemption is None:
            return {voucher}
        return {redemption.state.outcome[0].allocations[1].amount}
    if index == 0:
        return {0, voucher}
    return {0, total(material.opening)}


def exit_value(me: Address, materials: Sequence[Material]) -> dict[Address, Amount]:
    """What `me` gets at least, by asset, if it leaves every one of these channels now.

    All its channels at once, because what a hub loses in one ledger it gains in another. Exact
    where the holdings cover a ledger's outcome, else a bound from below. The cost is linear in
    guarantees while no proposal of `me` is unanswered; else each set of ledgers that carry channels
    of each other may end in the product of their endings. Raises TooManyEndings above
    `LOOKED_AT_COUNT_MAX`.
    """
    return finished(exit_value_steps(me, materials))


def exit_value_steps(
    me: Address, materials: Sequence[Material]
) -> Generator[None, None, dict[Address, Amount]]:
    """`exit_value`, that stops after every `STOP_COUNT` channels or so to let others go first."""
    by_asset: dict[Address, list[Material]] = {}
    for material in materials:
        by_asset.setdefault(material.opening.asset, []).append(material)
    destination = destination_of(me)
    values: dict[Address, Amount] = {}
    for asset, found in by_asset.items():
        values[asset] = yield from _of_asset(destination, me, found)
    return values


def _of_asset(
    destination: Destination, me: Address, materials: Sequence[Material]
) -> Generator[None, None, Amount]:
    choices: list[_Choice] = []
    possible: dict[ChannelId, Endings] = {}
    held: dict[ChannelId, Amount] = {}
    for count, material in enumerate(materials, start=1):
        if material.carries:
            choices.append(_Choice(material, endings(material, me)))
        else:
            channel_id = material.fixed.channel_id()
            possible[channel_id], held[channel_id] = endings(material, me), material.held
        if count % STOP_COUNT == 0:
            yield
    groups = _linked(choices, possible)
    carried = set[ChannelId]().union(*(group.targets for group in groups))
    alone = {channel_id: ways for channel_id, ways in possible.items() if channel_id not in carried}
    value = yield from _value(destination, [], alone, held)
    for group in groups:
        _require_few(group)
        reached = {channel_id: possible[channel_id] for channel_id in group.targets}
        backing = [choice.ledger for choice in group.choices]
        least: Amount | None = None
        for chosen in product(*(choice.endings for choice in group.choices)):
            ends = list(zip(chosen, backing, strict=True))
            found = yield from _value(destination, ends, reached, held)
            least = found if least is None else min(least, found)
            yield
        value += least or 0
    return value


class _Choice:
    """A ledger, the ways in which it may end, and the channels that any of them guarantees."""

    __slots__ = ("endings", "ledger", "size", "targets")

    def __init__(self, ledger: Material, ways: Endings) -> None:
        self.ledger = ledger
        self.endings = ways
        outcomes = [exit_.allocations for exit_ in ways if exit_ is not None]
        self.size = max(map(len, outcomes), default=0)
        self.targets = {
            allocation.destination
            for allocations in outcomes
            for allocation in allocations
            if allocation.allocation_type == GUARANTEE
        }


class _Group:
    """Ledgers that carry channels of each other: how one ends matters to how another does."""

    __slots__ = ("choices", "targets")

    def __init__(self) -> None:
        self.choices: list[_Choice] = []
        self.targets: set[ChannelId] = set()


def _linked(choices: Sequence[_Choice], possible: Mapping[ChannelId, Endings]) -> list[_Group]:
    by_target: dict[ChannelId, list[_Choice]] = {}
    for choice in choices:
        choice.targets &= possible.keys()
        for target in choice.targets:
            by_target.setdefault(target, []).append(choice)
    groups: list[_Group] = []
    seen: set[int] = set()
    for first in choices:
        group, waiting = _Group(), [first]
        while waiting:
            choice = waiting.pop()
            if id(choice) in seen:
                continue
            seen.add(id(choice))
            group.choices.append(choice)
            for target in choice.targets - group.targets:
                waiting += by_target[target]
            group.targets |= choice.targets
        if group.choices:
            groups.append(group)
    return groups


def _require_few(group: _Group) -> None:
    ways = prod(len(choice.endings) for choice in group.choices)
    count = ways * (sum(choice.size for choice in group.choices) + len(group.targets))
    if ways > 1 and count > LOOKED_AT_COUNT_MAX:
        raise TooManyEndings(count, LOOKED_AT_COUNT_MAX)


def _value(
    destination: Destination,
    ledgers: Sequence[tuple[SingleAssetExit | None, Material]],
    possible: Mapping[ChannelId, Endings],
    held: Mapping[ChannelId, Amount],
) -> Generator[None, None, Amount]:
    """The least that is paid if the ledgers end so, each payment channel at its worst."""
    guarantees: dict[ChannelId, list[Allocation]] = {}
    value = 0
    for exit_, ledger in ledgers:
        if exit_ is None:
            continue
        backing = [a for a in exit_.allocations if a.allocation_type == GUARANTEE]
        value += _own_share(destination, exit_, ledger.held, sum(a.amount for a in backing))
        if ledger.held >= total(exit_):
            for guarantee in backing:
                guarantees.setdefault(guarantee.destination, []).append(guarantee)
    for count, (channel_id, ways) in enumerate(possible.items(), start=1):
        if count % STOP_COUNT == 0:
            yield
        backed_by = guarantees.get(channel_id, [])
        value += min(
            _of_ending(destination, exit_, held[channel_id], backed_by) for exit_ in ways or (None,)
        )
    return value


def _own_share(
    destination: Destination, exit_: SingleAssetExit, held: Amount, guaranteed: Amount
) -> Amount:
    """What a ledger pays to its party beside guarantees, those before it having gained them all."""
    before = 0
    for place, share in enumerate(exit_.allocations):
        if share.destination == destination:
            return min(share.amount, max(0, held - before - (guaranteed if place else 0)))
        before += share.amount
    return 0


def _of_ending(
    destination: Destination,
    exit_: SingleAssetExit | None,
    held: Amount,
    backing: Sequence[Allocation],
) -> Amount:
    """What one payment channel's end pays: out of its own holdings and by its guarantees."""
    if exit_ is None:
        return 0
    value = payouts(exit_, held).get(destination, 0)
    right_share = exit_.allocations[1].amount
    for guarantee in backing:
        left, right = decode_guarantee_metadata(guarantee.metadata)
        if right_share > guarantee.amount:
            continue
        if destination == left:
            value += guarantee.amount - right_share
        if destination == right:
            value += right_share
    return value


def _proposed_states(fixed: FixedPart, ledger: Ledger) -> list[SignedState]:
    """The states its leader signed and its follower has not, in order."""
    found, vars_ = [], ledger.current
    for proposal in ledger.queue:
        vars_ = after(vars_, proposal.change, fixed)
        state = ledger_state(fixed, ledger.asset, vars_, proposal.turn_num)
        found.append(SignedState(state, (proposal.signature, b"")))
    return found


def material_of(
    channel: Channel, virtual_payment_app: Address, app_rule: str | None = None
) -> Material:
    """What this node holds of a channel that it has a prefund of; `app_rule` is of the channel's
    contract (`app_definitions`), None for what is no application's."""
    found = {
        turn.state_hash: SignedState(channel.state(turn), turn.signatures) for turn in channel.turns
    }
    for run in running_states(channel) if app_rule else ():
        # Of a state that the chain showed too, the talk may have more signatures.
        found[run.state_hash] = SignedState(run.state, run.signatures)
    states = list(found.values())
    ledger = channel.ledger
    if ledger is not None:
        agreed = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
        states.append(SignedState(agreed, ledger.signatures))
        states += _proposed_states(channel.fixed, ledger)
    is_payment = channel.fixed.app_definition == virtual_payment_app
    asset = funding_terms(channel).asset
    return Material(
        channel.fixed,
        tuple(states),
        channel.vouchers.total if is_payment else None,
        0 if channel.virtual is not None else confirmed_holdings(channel, asset),
        app_rule or "",
    )
