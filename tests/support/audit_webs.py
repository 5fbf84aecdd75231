"""Histories to audit: what honest nodes recorded of ledgers, of virtual channels, of lists.

And what a node could have recorded next: a change of a ledger with the state that it leads to,
signed by whomever a test names.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from node.step import SIGNING
from node.store.log import EventLog
from protocols import commands, events, ledger_events
from protocols.draft import Decision
from protocols.ledger import Change, after, ledger_state
from protocols.ledger_reducers import ledger_of
from protocols.node_state import NodeState, apply
from protocols.payment_events import VoucherCreated
from protocols.types import ChannelId, amount_to_bytes
from protocols.virtual_paths import is_agreed
from tests.support.actors import Actor
from tests.support.audit_cases import History
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import START_MS, CoreNode, Network
from tests.support.web import Web

AMOUNT, FEE = 1_000, 7


def log_of(node: CoreNode) -> History:
    """What a node of a web recorded, each ledger's deposit before its postfund."""
    history = [event for _, event in node.log]
    for deposit in [event for event in history if isinstance(event, events.DepositDetected)]:
        channel_id = deposit.channel_id
        history.remove(deposit)
        states = [
            seq
            for seq, event in enumerate(history)
            if isinstance(event, events.StateStored) and event.channel_id == channel_id
        ]
        history.insert(states[1], deposit)
    return history


# --- one ledger ---


@lru_cache
def _paid_ledger() -> tuple[tuple[events.Event, ...], ...]:
    network = opened_ledger()
    _pay_ledger(network)
    return _logs(network)


@lru_cache
def _closed_ledger() -> tuple[tuple[events.Event, ...], ...]:
    network = opened_ledger()
    _pay_ledger(network)
    for number in range(2):
        network.alice.feed(commands.PayLedger(LEDGER, 3, f"too late {number}"))
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.settle()
    return _logs(network)


def _pay_ledger(network: Network) -> None:
    network.alice.feed(commands.PayLedger(LEDGER, 10, "bread"))
    network.settle()
    network.bob.feed(commands.PayLedger(LEDGER, 5, "rent"))
    network.settle()


def _logs(network: Network) -> tuple[tuple[events.Event, ...], ...]:
    return tuple(tuple(log_of(node)) for node in (network.alice, network.bob))


def leader() -> History:
    """Alice's: a ledger of 1,000 and 500, she pays 10, Bob pays 5."""
    return list(_paid_ledger()[0])


def follower() -> History:
    """Bob's of the same."""
    return list(_paid_ledger()[1])


def closing_leader() -> History:
    """Then Bob closes; two payments of hers cross that wish, are refused and undone."""
    return list(_closed_ledger()[0])


def closing_follower() -> History:
    """Bob's of the same."""
    return list(_closed_ledger()[1])


# --- virtual channels ---


def busy_web() -> Web:
    """Alice pays Bob over one hub: two payments, a list, a voucher by hand."""
    web = Web(1, fees=(FEE,))
    channel_id = web.opened(AMOUNT)
    web.pay(channel_id, 10, 1)
    web.pay(channel_id, 5, 2)
    web.settle()
    web.payer.feed(commands.SendBatch(channel_id, (1, 2, 3), ("a", "b", "c"), b"list" * 7, True))
    web.settle()
    web.payer.feed(commands.CreateVoucher(channel_id, 4, b"\x09" * 32))
    web.settle()
    *_, created = web.payer.events_of(VoucherCreated.NAME)
    total = int.from_bytes(created.total, "big")
    web.payee.feed(commands.TakeVoucher(channel_id, total, created.signature))
    web.settle()
    return web


@lru_cache
def _web_logs(is_closed: bool) -> tuple[tuple[events.Event, ...], ...]:
    web = busy_web()
    if is_closed:
        (channel_id,) = set(web.payer.state.channels) - set(web.ledgers)
        web.payer.feed(commands.CloseChannel(channel_id))
        web.settle()
    return tuple(tuple(log_of(node)) for node in web.row)


def payer() -> History:
    """The payer's: open, paid, closed."""
    return list(_web_logs(True)[0])


def hub() -> History:
    """The hub's of the same: it follows the payer and leads the payee."""
    return list(_web_logs(True)[1])


def payee() -> History:
    """The payee's of the same."""
    return list(_web_logs(True)[2])


def open_hub() -> History:
    """The hub's while the channel is open."""
    return list(_web_logs(False)[1])


@lru_cache
def _unwound_logs() -> tuple[tuple[events.Event, ...], ...]:
    web = Web(1, fees=(FEE,))
    channel_id = web.open(AMOUNT)
    web.until(lambda: is_agreed(web.payee.state, web.ledgers[1], channel_id))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    return tuple(tuple(log_of(node)) for node in web.row)


def unwound_payer() -> History:
    """The payer's: given up when all guarantees stood and nobody had signed the postfund."""
    return list(_unwound_logs()[0])


def unwound_hub() -> History:
    """The hub's of the same."""
    return list(_unwound_logs()[1])


def unwound_payee() -> History:
    """The payee's of the same."""
    return list(_unwound_logs()[2])


@lru_cache
def _denied_logs() -> tuple[tuple[events.Event, ...], ...]:
    web = Web(1, fees=(FEE,))
    web.payee.decision = Decision("deny", "house rules")
    web.open(AMOUNT)
    web.settle()
    return tuple(tuple(log_of(node)) for node in web.row)


def denied_payer() -> History:
    """The payer's: the payee denied the channel, so nobody guaranteed anything."""
    return list(_denied_logs()[0])


def denied_hub() -> History:
    """The hub's of the same."""
    return list(_denied_logs()[1])


def target_of(history: Iterable[events.Event]) -> ChannelId:
    """The virtual channel of a web's history."""
    found = [event for event in history if event.NAME == "virtual-channel-recorded"]
    channel_id: ChannelId = found[0].channel_id  # type: ignore[attr-defined]
    return channel_id


# --- what could have come next ---


def folded(history: Iterable[events.Event]) -> NodeState:
    """The state after a history."""
    state = NodeState()
    for event in history:
        apply(state, event, 5)
    return state


def proposed(
    history: History,
    ledger_id: ChannelId,
    change: Change,
    by: Actor,
    kind: type[ledger_events.LedgerUpdateProposed]
    | type[ledger_events.LedgerUpdateReceived] = ledger_events.LedgerUpdateProposed,
) -> events.Event:
    """A sound proposal of that change after the history, signed by an actor."""
    channel = folded(history).channels[ledger_id]
    ledger = ledger_of(channel)
    vars_, turn_num = after(ledger.proposed, change, channel.fixed), ledger.proposed_turn + 1
    state_hash = ledger_state(channel.fixed, ledger.asset, vars_, turn_num).state_hash()
    return kind(
        ledger_id,
        turn_num,
        state_hash,
        by.signer(state_hash),
        change.kind,
        change.target,
        amount_to_bytes(change.amount),
        change.left,
        change.right,
        amount_to_bytes(change.left_amount),
        amount_to_bytes(change.fee),
        change.request_id,
    )


def countersigned(
    proposal: events.Event,
    by: Actor,
    kind: type[ledger_events.LedgerUpdateSigned]
    | type[ledger_events.LedgerUpdateConfirmed] = ledger_events.LedgerUpdateSigned,
) -> events.Event:
    """An actor's countersignature under a proposal."""
    assert isinstance(
        proposal, ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived
    )
    signature = by.signer(proposal.state_hash)
    return kind(proposal.channel_id, proposal.turn_num, proposal.state_hash, signature)


def write(history: History, path: Path) -> None:
    """Put a history on disk as an engine does, without effects: all of them are settled."""
    log = EventLog.open(path)
    batch = log.begin(START_MS)
    for event in history:
        batch.append(event)
        if isinstance(event, SIGNING):
            batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
    log.commit(batch)
    log.close()
