"""Virtual channels: each rule broken once, in the logs of a payer, a hub and a payee."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.virtual import VirtualCheck
from protocols import events, ledger_events, virtual_events
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.state import State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, IVAN, Actor
from tests.support.audit_cases import (
    History,
    alice,
    changed,
    doubled,
    inserted,
    messages,
    nth,
    says,
    without,
)
from tests.support.audit_webs import (
    denied_hub,
    denied_payer,
    folded,
    hub,
    leader,
    open_hub,
    payee,
    payer,
    target_of,
    unwound_hub,
    unwound_payee,
    unwound_payer,
)

RECORDED, RENOUNCED = virtual_events.VirtualChannelRecorded, virtual_events.PostfundRenounced
ASKED = virtual_events.UnwindingAsked
STORED, SIGNED, RECEIVED = events.StateStored, events.StateSigned, events.StateReceived

PRUNED = virtual_events.VirtualChannelPruned


def pruned_hub() -> History:
    """A hub's that pruned the channel which the payee denied."""
    return [*denied_hub(), PRUNED(target_of(denied_hub()))]


HONEST = (
    payer,
    hub,
    payee,
    open_hub,
    unwound_payer,
    unwound_hub,
    unwound_payee,
    alice,
    leader,
    pruned_hub,
)


@pytest.mark.parametrize("history", HONEST, ids=lambda history: history.__name__)
def test_an_honest_history_breaks_no_rule(history: Callable[[], History]) -> None:
    assert messages(VirtualCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    says(VirtualCheck, history, words, nth(history, kind, index)[0])


def then(history: History, *more: events.Event, words: str) -> None:
    says(VirtualCheck, [*history, *more], words)


def observed(channel_id: bytes) -> events.ChainLogObserved:
    place = (9, bytes(32), bytes(32), 0, 0)
    return events.ChainLogObserved(
        channel_id, "ChallengeRegistered", *place, ZERO_ADDRESS, bytes(32)
    )


# --- what carries it ---


@pytest.mark.parametrize("event", [RECORDED(b"\x09" * 32, b"", b"", ()), ASKED(bytes(32), "", "")])
def test_it_is_about_a_channel_of_ours(event: events.Event) -> None:
    then(open_hub(), event, words="names no channel of ours")


def test_only_a_virtual_channel_is_renounced_or_unwound() -> None:
    channel_id = nth(alice(), events.ChannelCreated)[1].channel_id
    then(alice(), ASKED(channel_id, "", ""), words="names no virtual channel")
    then(alice(), RENOUNCED(channel_id, BOB.address, "", ""), words="names no virtual channel")


@pytest.mark.parametrize(
    ("make", "fields", "words"),
    [
        (hub, {"fees": ()}, "0 fees for 1 intermediaries"),
        (hub, {"right_ledger": b""}, "all but the payee have a ledger to the right"),
        (hub, {"left_ledger": b""}, "an intermediary has a ledger to the left"),
        (payer, {"left_ledger": b"\x01" * 32}, "the payer has no ledger to the left"),
        (payer, {"right_ledger": b""}, "all but the payee have a ledger to the right"),
        (payee, {"right_ledger": b"\x01" * 32}, "all but the payee have a ledger to the right"),
        (hub, {"right_ledger": b"\x01" * 32}, "is not open"),
    ],
)
def test_a_channel_stands_where_its_path_says(
    make: Callable[[], History], fields: dict[str, object], words: str
) -> None:
    one(changed(make(), RECORDED, **fields), words, RECORDED)


def test_each_ledger_is_with_the_neighbour() -> None:
    _, recorded = nth(hub(), RECORDED)
    turned = changed(
        hub(),
        RECORDED,
        left_ledger=recorded.right_ledger,
        right_ledger=recorded.left_ledger,
    )
    one(turned, "is not between us and our neighbour", RECORDED)


def test_a_ledger_that_ends_carries_nothing_new() -> None:
    _, recorded = nth(hub(), RECORDED)
    seen = observed(recorded.left_ledger)
    one(inserted(hub(), seen, RECORDED), "takes no guarantees any more", RECORDED)


def test_what_carries_it_is_recorded_once_before_we_sign() -> None:
    one(doubled(hub(), RECORDED), "was recorded before (M17)", RECORDED, 1)
    late = without(hub(), RECORDED)
    prefund = nth(late, SIGNED, 4)[0]
    says(VirtualCheck, late, "before it was recorded what carries", prefund)
    _, recorded = nth(hub(), RECORDED)
    behind = [*late[: prefund + 1], recorded, *late[prefund + 1 :]]
    one(behind, "we signed before it was recorded", RECORDED)


def test_a_payee_meets_its_ledger_later_and_for_the_same_fees() -> None:
    assert len([e for e in payee() if isinstance(e, RECORDED)]) == 2
    fees = (amount_to_bytes(1),)
    one(changed(payee(), RECORDED, 1, fees=fees), "was recorded before (M17)", RECORDED, 1)


def prefund_of(history: History) -> State:
    channel = folded(history).channels[target_of(history)]
    return channel.state(channel.turns[0])


def stored(state: State) -> events.StateStored:
    return STORED(state.channel_id, state.state_hash(), state.encode())


def amounts(state: State, to_payer: int, to_payee: int, **fields: object) -> State:
    (exit_,) = state.outcome
    first, second = exit_.allocations
    shared = (replace(first, amount=to_payer), replace(second, amount=to_payee))
    return replace(state, outcome=(replace(exit_, allocations=shared),), **fields)


@pytest.mark.parametrize(("to_payer", "to_payee"), [(0, 1_000), (999, 1), (0, 0)])
def test_a_channel_begins_with_all_of_it_the_payers(to_payer: int, to_payee: int) -> None:
    history = hub()
    seq, _ = nth(history, STORED, 4)
    history[seq] = stored(amounts(prefund_of(hub()), to_payer, to_payee))
    one(history, "no one-way channel from payer to payee", RECORDED)
    history[seq] = stored(replace(prefund_of(hub()), outcome=()))
    one(history, "no one-way channel from payer to payee", RECORDED)


def test_a_channel_is_in_the_asset_of_its_ledgers() -> None:
    history = hub()
    seq, _ = nth(history, STORED, 4)
    prefund = prefund_of(hub())
    token = replace(prefund, outcome=(replace(prefund.outcome[0], asset=b"\x70" * 20),))
    history[seq] = stored(token)
    one(history, "is in another asset (M14)", RECORDED)


def test_only_payment_channels_and_applications_are_virtual() -> None:
    ledger_id = nth(open_hub(), events.ChannelCreated)[1].channel_id
    words = "only payment channels and applications are virtual (M1)"
    then(open_hub(), RECORDED(ledger_id, b"", b"", ()), words=words)


# --- the postfund ---


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (payer, ledger_events.LedgerUpdateConfirmed, "before our right guarantee was agreed"),
        (hub, ledger_events.LedgerUpdateSigned, "before our left guarantee was agreed"),
        (hub, ledger_events.LedgerUpdateConfirmed, "before our right guarantee was agreed"),
        (payee, ledger_events.LedgerUpdateSigned, "before our left guarantee was agreed"),
    ],
)
def test_nobody_signs_the_postfund_before_its_own_guarantees(
    make: Callable[[], History], kind: type[events.Event], words: str
) -> None:
    history = without(make(), kind)
    says(VirtualCheck, history, words, postfund_signed(history))


def postfund_signed(history: History) -> int:
    target = target_of(history)
    return next(
        seq
        for seq, event in enumerate(history)
        if isinstance(event, SIGNED) and event.channel_id == target and event.turn_num == 1
    )


def test_the_postfund_is_signed_from_right_to_left() -> None:
    history = hub()
    place = postfund_signed(history)
    theirs = next(
        seq
        for seq, event in enumerate(history)
        if isinstance(event, RECEIVED) and seq < place and event.turn_num == 1 and seq > place - 4
    )
    missing = [*history[:theirs], *history[theirs + 1 :]]
    says(VirtualCheck, missing, "before those to our right (M16)", place - 1)


def test_what_was_given_up_is_not_opened() -> None:
    history, target = hub(), target_of(hub())
    place = postfund_signed(history)
    for event, words in (
        (ASKED(target, "NO", ""), "the channel was given up before (M16)"),
        (RENOUNCED(target, IVAN.address, "NO", ""), "we recorded that we never sign"),
        (
            events.ObjectiveRejected(objective_id(ObjectiveType.VIRTUAL_FUND, target), "no"),
            "the channel was rejected before",
        ),
        (stored(amounts(prefund_of(hub()), 900, 100, turn_num=3, is_final=True)), "a final state"),
    ):
        says(VirtualCheck, [*history[:place], event, *history[place:]], words, place + 1)


# --- the final state ---


def signed(state: State, by: Actor) -> events.StateSigned:
    state_hash = state.state_hash()
    signature = by.signer(state_hash)
    parts = (state.channel_id, state.turn_num, state_hash, by.address, signature)
    return SIGNED(*parts, state.is_final)


def test_a_final_state_splits_the_deposit() -> None:
    history, prefund = open_hub(), prefund_of(open_hub())
    for state in (
        amounts(prefund, 900, 101, turn_num=3, is_final=True),
        amounts(prefund, 900, 100, turn_num=3, is_final=True, app_data=b"x"),
        replace(prefund, outcome=(), turn_num=3, is_final=True),
    ):
        then(history, stored(state), signed(state, IVAN), words="no split of the deposit")


def test_a_hub_signs_last_and_one_final_state() -> None:
    history, target = hub(), target_of(hub())
    last = nth(history, SIGNED, -1)[0]
    words = "signs after the payee and those to its right"
    payees = nth(history, RECEIVED, -1)[0]
    early = [*history[:payees], *history[payees + 1 :]]
    says(VirtualCheck, early, words, last - 1)
    second = amounts(prefund_of(hub()), 900, 100, turn_num=4, is_final=True)
    then(hub(), stored(second), signed(second, IVAN), words="we signed turn 3")
    assert target == second.channel_id


def test_a_final_state_comes_after_the_whole_prefund() -> None:
    history = hub()
    place = next(
        seq
        for seq, event in enumerate(history)
        if isinstance(event, RECEIVED)
        and event.channel_id == target_of(history)
        and event.signer == BOB.address
    )
    missing = [*history[:place], *history[place + 1 :]]
    one(missing, "the prefund is not signed by all", SIGNED, -1)


# --- the way back ---


def test_nobody_renounces_what_it_signed() -> None:
    target = target_of(open_hub())
    ours = RENOUNCED(target, IVAN.address, "NO", "")
    then(open_hub(), ours, words="it signed the postfund before (M16)")
    then(open_hub(), ours, words="our own right guarantee stands (M16)")
    then(hub(), ours, words="a final state of all is known")
    then(payee(), RENOUNCED(target, BOB.address, "", ""), words="we accepted a voucher before")
    then(open_hub(), RENOUNCED(target, BOB.address, "", ""), words="the channel is open (M16)")
    then(open_hub(), RENOUNCED(target, ALICE.address, "", ""), words="has nothing to renounce")
    one(doubled(unwound_hub(), RENOUNCED), "it renounced before", RENOUNCED, 1)


def test_only_the_right_neighbour_is_heard() -> None:
    target = target_of(unwound_payer())
    theirs = RENOUNCED(target, BOB.address, "NO", "")
    then(unwound_payer(), theirs, words="it is not our right neighbour's")


def test_what_is_open_or_given_up_is_given_up_no_more() -> None:
    ask = ASKED(target_of(open_hub()), "NO", "")
    then(open_hub(), ask, words="it is left by a final state (M16)")
    one(doubled(unwound_hub(), ASKED), "the channel was given up before", ASKED, 1)


def test_an_opening_ends_when_all_signed_the_postfund() -> None:
    history = hub()
    last = next(
        seq
        for seq, event in enumerate(history)
        if isinstance(event, events.StateSupportedUpdated)
        and event.channel_id == target_of(history)
        and event.supported_turn == 1
    )
    theirs = max(seq for seq in range(last) if isinstance(history[seq], RECEIVED))
    missing = [*history[:theirs], *history[theirs + 1 :]]
    one(missing, "its postfund is not signed by all (M5)", events.ObjectiveCompleted, -2)


def test_nothing_ends_while_a_guarantee_may_stand() -> None:
    words = "may guarantee the channel still (M16)"
    completed, rejected = events.ObjectiveCompleted, events.ObjectiveRejected
    one(without(hub(), ledger_events.LedgerUpdateSigned, -1), words, completed, -1)
    one(without(hub(), ledger_events.LedgerUpdateConfirmed, -1), words, completed, -1)
    one(without(unwound_hub(), ledger_events.LedgerUpdateSigned, -1), words, rejected)
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, target_of(open_hub()))
    then(open_hub(), rejected(identity, "no"), words=words)


def test_a_state_that_is_not_stored_is_another_familys() -> None:
    target = target_of(open_hub())
    stray = SIGNED(target, 3, b"\x01" * 32, IVAN.address, bytes(65), True)
    assert messages(VirtualCheck, [*open_hub(), stray]) == []
    assert messages(VirtualCheck, [replace(stray, channel_id=b"\x02" * 32)]) == []


# --- pruning ---


def test_what_came_to_nothing_may_be_pruned_once() -> None:
    for history in (denied_payer(), denied_hub()):
        gone = PRUNED(target_of(history))
        assert messages(VirtualCheck, [*history, gone]) == []
        then(history, gone, gone, words="pruned before: nothing follows")


def test_nothing_follows_from_a_channel_that_was_pruned() -> None:
    history = pruned_hub()
    then(history, ASKED(target_of(history), "GIVEN_UP", ""), words="pruned before")


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (open_hub, "was not rejected"),
        (unwound_hub, "the channel had guarantees"),
        (hub, "more than its prefund is known"),
    ],
)
def test_a_channel_that_may_be_needed_is_not_pruned(
    history: Callable[[], History], words: str
) -> None:
    then(history(), PRUNED(target_of(history())), words=words)


def test_nothing_is_pruned_that_a_cut_tail_may_have_held_more_of() -> None:
    cut = events.LogTailCut(9, 10, "000001.log")
    history = [*denied_hub(), cut]
    then(history, PRUNED(target_of(denied_hub())), words="lost a tail")


def test_what_is_guaranteed_is_not_pruned() -> None:
    history = open_hub()
    then(history, PRUNED(target_of(history)), words="may guarantee the channel still (M16)")
