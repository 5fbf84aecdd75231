"""What happens to few nodes: forks, readings, refusals, losses. The views follow there too.

Histories of honest nodes with such events put in: a fold believes whatever is recorded.
"""

from __future__ import annotations

import pytest

from protocols import events, exit_events, ledger_events
from protocols.abi import encode_outcome
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.ledger import Guarantee, LedgerVars, ledger_state
from protocols.ledger_reducers import ledger_of
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
)
from protocols.resumption_events import LedgerResumed
from protocols.types import ZERO_ADDRESS, Amount32, ChannelId, amount_to_bytes
from protocols.virtual_events import VirtualChannelPruned
from tests.support import audit_cases, audit_webs
from tests.support.audit_cases import History, nth
from tests.support.view_folds import dated, follow

HASH, OTHER_HASH, TX = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
SIGNATURE = bytes(65)
BLOCK, TIME_S = 500, 1_704_067_200


def amount(value: int) -> Amount32:
    return amount_to_bytes(value)


def seen(channel_id: ChannelId, name: str, **fields: object) -> events.ChainLogObserved:
    """A log above all that counted."""
    known = {"block_num": BLOCK, "block_hash": HASH, "log_index": 3} | fields
    return events.ChainLogObserved(
        channel_id=channel_id,
        log_name=name,
        tx_hash=TX,
        tx_index=0,
        asset=ZERO_ADDRESS,
        amount=known.pop("amount", amount(0)),  # type: ignore[arg-type]
        **known,  # type: ignore[arg-type]
    )


def behind(history: History, kind: type[events.Event], more: History) -> History:
    """The history with events put behind the first of that kind."""
    place, _ = nth(history, kind)
    return [*history[: place + 1], *more, *history[place + 1 :]]


def check(history: History) -> None:
    follow(dated(history), 1)
    follow(dated(history), 0.3, 1)


@pytest.mark.parametrize("whose", [audit_cases.alice, audit_cases.bob])
def test_a_fork_below_what_counted(whose: type) -> None:
    history: History = whose()
    _, deposit = nth(history, events.DepositDetected)
    channel_id, held = deposit.channel_id, deposit.now_held
    read = events.HoldingsRead(channel_id, ZERO_ADDRESS, amount(0), 1, HASH, 0)
    check(
        behind(
            history,
            events.DepositDetected,
            [
                ChannelHalted(channel_id, 1, 1, ZERO_ADDRESS, held, "open"),
                read,
                events.HoldingsRead(channel_id, ZERO_ADDRESS, amount(5), 2, HASH, TIME_S),
                events.HoldingsRead(channel_id, ZERO_ADDRESS, amount(7), 2, HASH, TIME_S + 9),
                events.HoldingsRead(channel_id, ZERO_ADDRESS, held, 2, HASH, 0),
                ChannelHaltLifted(channel_id, 1),
            ],
        )
    )


@pytest.mark.parametrize("whose", [audit_cases.alice, audit_cases.bob])
def test_a_challenge_that_is_seen_and_taken_back(whose: type) -> None:
    history: History = whose()
    _, deposit = nth(history, events.DepositDetected)
    channel_id = deposit.channel_id
    challenge = seen(channel_id, "ChallengeRegistered", number=TIME_S, turn_num=1)
    check(
        behind(
            history,
            events.DepositDetected,
            [
                challenge,
                events.ChainLogRefuted(channel_id, "ChallengeRegistered", BLOCK, HASH, TX, 3),
                challenge,
                seen(channel_id, "ChallengeCleared", block_num=BLOCK + 1, number=1),
                events.ChainReorged(BLOCK + 1, HASH, OTHER_HASH),
                events.ChainReorged(BLOCK, HASH, OTHER_HASH),
                seen(channel_id, "Deposited", amount=amount(9)),
                events.ChainReorged(BLOCK + 1, HASH, OTHER_HASH),
                events.ChainReorged(BLOCK, HASH, OTHER_HASH),
            ],
        )
    )


def ledger_exit(channel_id: ChannelId) -> bytes:
    """An outcome of the follower's ledger that guarantees a channel."""
    state = audit_webs.folded(audit_webs.follower())
    left, right = map(destination_of, state.channels[channel_id].fixed.participants)
    guarantee = Allocation(HASH, 30, GUARANTEE, guarantee_metadata(left, right))
    shares = (Allocation(left, 100), Allocation(right, 200), guarantee)
    return encode_outcome((SingleAssetExit(ZERO_ADDRESS, shares),))


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_ledger_that_ends_on_chain_and_is_paid_out(is_expired: bool) -> None:
    history = audit_webs.follower()
    _, created = nth(history, events.ChannelCreated)
    ledger_id, outcome = created.channel_id, ledger_exit(created.channel_id)
    recipient = audit_webs.folded(history).node.address
    name = "ChallengeRegistered" if is_expired else "Concluded"
    paid = {"indices": (0, 1, 9), "amounts": (amount(100), amount(150), amount(1))}
    logs: History = [seen(ledger_id, name, number=TIME_S, outcome=outcome)]
    if is_expired:
        logs += [
            events.ChallengeRegistered(ledger_id, BLOCK, 0, 1, TIME_S, recipient, False, None, TX),
            exit_events.ChallengeExpired(ledger_id, TIME_S, BLOCK, TIME_S),
        ]
    else:
        logs.append(events.ChannelConcluded(ledger_id, BLOCK, 0, None, TX))
    check(
        [
            *history,
            *logs,
            seen(ledger_id, "OutcomePaid", log_index=4, **paid),
            exit_events.OutcomePaid(
                ledger_id, BLOCK, 0, 4, 0, paid["indices"], paid["amounts"], TX
            ),
            seen(ledger_id, "OutcomeReclaimed", log_index=5, target=HASH, amount=amount(12)),
            exit_events.OutcomeReclaimed(ledger_id, BLOCK, 0, 5, 0, HASH, amount(12), TX),
            events.WithdrawCompleted(ledger_id, BLOCK, 0, recipient, ZERO_ADDRESS, amount(150), TX),
            events.AllocationUpdated(ledger_id, BLOCK, 0, ZERO_ADDRESS, amount(0), TX),
        ]
    )


def test_an_outcome_that_is_none_counts_as_unknown() -> None:
    history = audit_webs.follower()
    _, created = nth(history, events.ChannelCreated)
    ledger_id, outcome = created.channel_id, ledger_exit(created.channel_id)
    for wrong in (outcome[:-1], outcome + bytes(32), bytes(32) + outcome[32:], outcome[:64], b"\1"):
        concluded = seen(ledger_id, "Concluded", number=TIME_S, outcome=wrong)
        check([*history, concluded, events.ChannelConcluded(ledger_id, BLOCK, 0, None, TX)])


def test_a_ledger_after_a_loss() -> None:
    history = audit_webs.leader()
    place, agreed = nth(history, ledger_events.LedgerUpdateConfirmed)
    channel = audit_webs.folded(history).channels[agreed.channel_id]
    ledger = ledger_of(channel)
    left, right = map(destination_of, channel.fixed.participants)
    vars_ = LedgerVars(5, ledger.current.follower, (Guarantee(HASH, 11, left, right),))
    state = ledger_state(channel.fixed, ledger.asset, vars_, ledger.turn_num + 40)
    seen_instead = ledger_events.LedgerCountersignatureSeen(
        agreed.channel_id, agreed.turn_num, agreed.state_hash, agreed.signature, BLOCK, TX
    )
    signatures = (SIGNATURE, SIGNATURE)
    check(
        [
            *history[:place],
            seen_instead,
            *history[place + 1 :],
            ledger_events.LedgerRestored(
                agreed.channel_id, state.state_hash(), state.encode(), *signatures
            ),
            LedgerResumed(agreed.channel_id, ledger.turn_num + 90, HASH, *signatures),
        ]
    )


def test_a_final_state_that_is_refused() -> None:
    for history in (audit_cases.alice(), audit_cases.bob()):
        _, created = nth(history, events.ChannelCreated)
        refused = events.FinalStateRefused(
            created.channel_id, 3, created.participants[1], amount(9)
        )
        check(behind(history, events.StateSupportedUpdated, [refused]))


def test_a_virtual_channel_that_is_forgotten() -> None:
    history = audit_webs.denied_hub()
    check([*history, VirtualChannelPruned(audit_webs.target_of(history))])
