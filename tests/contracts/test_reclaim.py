"""A guarantee goes back as its channel stood when it finalised, whoever meddles (M2)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.contract_calls import Receipt, RevertedError
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Allocation,
    Channel,
    Outcome,
    VariablePart,
    encode_outcome,
    fingerprint,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
    voucher_data,
)
from tests.support.vectors import NITRO

pytestmark = pytest.mark.e2e

A, B, H = ALICE.destination, BOB.destination, HUB.destination


@dataclass(frozen=True)
class Path:
    """Alice pays Bob 3 of 10 through a hub: two ledgers, one virtual channel, all finalised."""

    nitro: Nitro
    virtual: Channel
    virtual_hash: bytes
    virtual_outcome: Outcome
    left: Channel
    right: Channel

    def ledger_state(self, ledger: Channel) -> VariablePart:
        near, far = (A, H) if ledger == self.left else (H, B)
        backing = guarantee(self.virtual.channel_id, 10, near, far)
        return state(outcome_of(simple(near, 5), simple(far, 5), backing), 4)

    def reclaim(self, ledger: Channel, target: tuple[bytes, Outcome] | None = None) -> Receipt:
        shown = target or (self.virtual_hash, self.virtual_outcome)
        source = self.ledger_state(ledger)
        arguments = self.nitro.reclaim_arguments(ledger, source, 2, shown)
        return self.nitro.adjudicator.send("reclaim", arguments)

    def stands(self, ledger: Channel, near: int, far: int) -> bool:
        """Whether the ledger's outcome is two shares of these amounts now."""
        source = self.ledger_state(ledger)
        destinations = [allocation[0] for allocation in source[0][0][2][:2]]
        outcome = outcome_of(simple(destinations[0], near), simple(destinations[1], far))
        message_hash = state_hash(ledger.channel_id, source)
        return self.nitro.status(ledger)[2] == fingerprint(message_hash, outcome)


def payment(payer: int, payee: int) -> Outcome:
    return outcome_of(simple(A, payer), simple(B, payee))


@pytest.fixture
def path(nitro: Nitro) -> Path:
    virtual = nitro.payment_channel(ALICE, HUB, BOB)
    postfund = virtual.signed(state(payment(10, 0), 1))
    redemption = state(payment(7, 3), 2, voucher_data(virtual.channel_id, 3, ALICE))
    virtual_hash = nitro.challenge(virtual, virtual.signed(redemption, [BOB]), [postfund], BOB)
    left, right = nitro.ledger(ALICE, HUB), nitro.ledger(HUB, BOB)
    made = Path(nitro, virtual, virtual_hash, redemption[0], left, right)
    for ledger in (left, right):
        nitro.deposit(ledger.channel_id, 20)
        nitro.challenge(ledger, ledger.signed(made.ledger_state(ledger)))
    nitro.rpc.pass_time(101)
    return made


def meddle(path: Path) -> None:
    """A stranger gives the finalised virtual channel one wei and transfers it: to Alice."""
    nitro = path.nitro
    nitro.deposit(path.virtual.channel_id, 1)
    arguments = (path.virtual.channel_id, path.virtual_outcome, path.virtual_hash)
    nitro.adjudicator.send("transferAllAssets", *arguments)
    assert nitro.rpc.balance(ALICE.address) == 1


def pay_out(path: Path, ledger: Channel, near: int, far: int) -> None:
    source = path.ledger_state(ledger)
    destinations = [allocation[0] for allocation in source[0][0][2][:2]]
    outcome = outcome_of(simple(destinations[0], near), simple(destinations[1], far))
    message_hash = state_hash(ledger.channel_id, source)
    path.nitro.adjudicator.send("transferAllAssets", ledger.channel_id, outcome, message_hash)


def test_both_ledgers_get_their_guarantee_back_and_pay_everybody(path: Path) -> None:
    path.reclaim(path.left)
    path.reclaim(path.right)
    assert path.stands(path.left, 5 + 7, 5 + 3)
    assert path.stands(path.right, 5 + 7, 5 + 3)
    pay_out(path, path.left, 12, 8)
    pay_out(path, path.right, 12, 8)
    balances = [path.nitro.rpc.balance(each.address) for each in (ALICE, HUB, BOB)]
    assert balances == [12, 8 + 12, 8]


def test_a_reclaim_tells_what_the_fold_needs(path: Path) -> None:
    receipt = path.reclaim(path.left)
    assert receipt.named("Reclaimed") == [{"channelId": path.left.channel_id, "assetIndex": 0}]
    assert receipt.named("OutcomeReclaimed") == [
        {
            "channelId": path.left.channel_id,
            "assetIndex": 0,
            "target": path.virtual.channel_id,
            "rightShare": 3,
        }
    ]


def test_a_strangers_wei_in_the_virtual_channel_locks_no_ledger(path: Path) -> None:
    meddle(path)
    path.reclaim(path.left)
    path.reclaim(path.right)
    assert path.stands(path.left, 12, 8)
    assert path.stands(path.right, 12, 8)


def test_a_strangers_wei_moves_no_money_from_the_hub(path: Path) -> None:
    meddle(path)
    poorer = (path.virtual_hash, payment(6, 3))
    for ledger in (path.left, path.right):
        with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
            path.reclaim(ledger, poorer)


def test_a_virtual_channel_paid_to_zero_still_judges_its_ledgers(path: Path) -> None:
    nitro = path.nitro
    nitro.deposit(path.virtual.channel_id, 10)
    arguments = (path.virtual.channel_id, path.virtual_outcome, path.virtual_hash)
    nitro.adjudicator.send("transferAllAssets", *arguments)
    path.reclaim(path.left)
    path.reclaim(path.right)
    assert path.stands(path.left, 12, 8)
    assert path.stands(path.right, 12, 8)


def test_meddling_between_the_two_reclaims_changes_nothing(path: Path) -> None:
    path.reclaim(path.left)
    meddle(path)
    path.reclaim(path.right)
    assert path.stands(path.right, 12, 8)


def test_a_concluded_virtual_channel_that_was_paid_in_the_same_transaction_still_judges(
    nitro: Nitro,
) -> None:
    virtual = nitro.payment_channel(ALICE, HUB, BOB)
    ledger = nitro.ledger(ALICE, HUB)
    backing = guarantee(virtual.channel_id, 10, A, H)
    source = state(outcome_of(simple(A, 5), simple(H, 5), backing), 4)
    nitro.deposit(virtual.channel_id, 1)
    final = virtual.signed(state(payment(7, 3), 3, is_final=True))
    nitro.adjudicator.send("concludeAndTransferAllAssets", virtual.fixed_part, final)
    nitro.finalise(ledger, ledger.signed(source))
    target = (bytes(32), payment(7, 3))
    nitro.adjudicator.send("reclaim", nitro.reclaim_arguments(ledger, source, 2, target))
    after = outcome_of(simple(A, 12), simple(H, 8))
    expected = fingerprint(state_hash(ledger.channel_id, source), after)
    assert nitro.status(ledger)[2] == expected


def test_a_guarantee_can_be_reclaimed_once(path: Path) -> None:
    path.reclaim(path.left)
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        path.reclaim(path.left)


def test_the_ledgers_other_shares_can_be_paid_before_the_reclaim(path: Path) -> None:
    source = path.ledger_state(path.left)
    message_hash = state_hash(path.left.channel_id, source)
    encoded = encode_outcome(source[0])
    path.nitro.adjudicator.send("transfer", 0, path.left.channel_id, encoded, message_hash, [0, 1])
    paid = outcome_of(simple(A, 0), simple(H, 0), source[0][0][2][2])
    arguments = path.nitro.reclaim_arguments(
        path.left, source, 2, (path.virtual_hash, path.virtual_outcome)
    )
    current = (*arguments[:2], encode_outcome(paid), *arguments[3:])
    path.nitro.adjudicator.send("reclaim", current)
    assert path.stands(path.left, 7, 3)


# --- what is refused ----------------------------------------------------------------------------


def finalised(nitro: Nitro, channel: Channel, *shares: Allocation) -> VariablePart:
    """A ledger-like channel, finalised with these shares; its state."""
    last = state(outcome_of(*shares), 4)
    nitro.finalise(channel, channel.signed(last))
    return last


def reclaim_with(
    nitro: Nitro, *source_shares: Allocation, target_shares: list[Allocation], index: int
) -> Receipt:
    """Reclaim from a ledger with these shares against a target with those; both finalised."""
    ledger, target = nitro.ledger(ALICE, HUB), nitro.ledger(ALICE, BOB, nonce=9)
    source = finalised(nitro, ledger, *source_shares)
    judged = finalised(nitro, target, *target_shares)
    shown = (state_hash(target.channel_id, judged), judged[0])
    return nitro.adjudicator.send("reclaim", nitro.reclaim_arguments(ledger, source, index, shown))


@pytest.fixture
def backing(nitro: Nitro) -> Allocation:
    return guarantee(nitro.ledger(ALICE, BOB, nonce=9).channel_id, 10, A, H)


def test_a_right_share_above_the_guarantee_is_refused(nitro: Nitro, backing: Allocation) -> None:
    with pytest.raises(RevertedError, match=r"^totalReclaimed!=guarantee\.amount$"):
        reclaim_with(
            nitro, simple(A, 5), simple(H, 5), backing,
            target_shares=[simple(A, 0), simple(B, 11)], index=2,
        )  # fmt: skip


@pytest.mark.parametrize("left_amount", [0, 6, 8, 500])
def test_only_the_right_share_is_read_so_that_the_sum_never_changes(
    nitro: Nitro, backing: Allocation, left_amount: int
) -> None:
    receipt = reclaim_with(
        nitro, simple(A, 5), simple(H, 5), backing,
        target_shares=[simple(A, left_amount), simple(B, 3)], index=2,
    )  # fmt: skip
    assert receipt.named("OutcomeReclaimed")[0]["rightShare"] == 3
    ledger = nitro.ledger(ALICE, HUB)
    source_hash = state_hash(
        ledger.channel_id, state(outcome_of(simple(A, 5), simple(H, 5), backing), 4)
    )
    after = outcome_of(simple(A, 12), simple(H, 8))
    assert nitro.status(ledger)[2] == fingerprint(source_hash, after)


def test_a_simple_share_cannot_be_reclaimed(nitro: Nitro, backing: Allocation) -> None:
    with pytest.raises(RevertedError, match=r"^not a guarantee allocation$"):
        reclaim_with(
            nitro, simple(A, 5), simple(H, 5), backing,
            target_shares=[simple(A, 7), simple(B, 3)], index=0,
        )  # fmt: skip


def test_an_index_beyond_the_ledger_names_no_target(nitro: Nitro, backing: Allocation) -> None:
    with pytest.raises(RevertedError, match=r"^could not find target$"):
        reclaim_with(
            nitro, simple(A, 5), simple(H, 5), backing,
            target_shares=[simple(A, 7), simple(B, 3)], index=3,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("near", "far", "reason"),
    [(MALLORY.destination, H, "could not find left"), (A, B, "could not find right")],
)
def test_a_guarantee_goes_only_to_parties_of_the_ledger(
    nitro: Nitro, near: bytes, far: bytes, reason: str
) -> None:
    target_id = nitro.ledger(ALICE, BOB, nonce=9).channel_id
    with pytest.raises(RevertedError, match=rf"^{reason}$"):
        reclaim_with(
            nitro, simple(A, 5), simple(H, 5), guarantee(target_id, 10, near, far),
            target_shares=[simple(A, 7), simple(B, 3)], index=2,
        )  # fmt: skip


def test_source_and_target_must_both_be_finalised(nitro: Nitro, backing: Allocation) -> None:
    ledger, target = nitro.ledger(ALICE, HUB), nitro.ledger(ALICE, BOB, nonce=9)
    source = state(outcome_of(simple(A, 5), simple(H, 5), backing), 4)
    judged = state(payment(7, 3), 4)
    shown = (state_hash(target.channel_id, judged), judged[0])
    arguments = nitro.reclaim_arguments(ledger, source, 2, shown)
    with pytest.raises(RevertedError, match=r"^Channel not finalized\.$"):
        nitro.adjudicator.send("reclaim", arguments)
    nitro.finalise(ledger, ledger.signed(source))
    with pytest.raises(RevertedError, match=r"^Channel not finalized\.$"):
        nitro.adjudicator.send("reclaim", arguments)
    nitro.finalise(target, target.signed(judged))
    nitro.adjudicator.send("reclaim", arguments)


def test_only_outcomes_that_stand_are_judged(path: Path) -> None:
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        path.reclaim(path.left, (path.virtual_hash, payment(10, 0)))
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        path.reclaim(path.left, (bytes(32), path.virtual_outcome))


def test_the_target_must_hold_the_same_asset(nitro: Nitro, backing: Allocation) -> None:
    ledger, target = nitro.ledger(ALICE, HUB), nitro.ledger(ALICE, BOB, nonce=9)
    source = finalised(nitro, ledger, simple(A, 5), simple(H, 5), backing)
    shares = [simple(A, 7), simple(B, 3)]
    judged = state(outcome_of(*shares, asset=nitro.token.address) + outcome_of(*shares), 4)
    nitro.finalise(target, target.signed(judged))
    shown = (state_hash(target.channel_id, judged), judged[0])
    arguments = nitro.reclaim_arguments(ledger, source, 2, shown)
    with pytest.raises(RevertedError, match=r"^targetAsset != guaranteeAsset$"):
        nitro.adjudicator.send("reclaim", arguments)
    nitro.adjudicator.send("reclaim", (*arguments[:-1], 1))
    assert judged[0][1][0] == NATIVE


@pytest.mark.parametrize("row", NITRO["reclaim"]["rows"], ids=["row1", "row2"])
def test_the_published_reclaim_vectors_hold(nitro: Nitro, row: dict[str, dict[str, int]]) -> None:
    before, target, after = row["ledger"], row["virtual"], row["after"]
    backing = guarantee(b"\x99" * 32, before["guarantee"], A, H)
    source = [simple(A, before["left"]), simple(H, before["right"]), backing]
    judged = [simple(A, target["left"]), simple(B, target["right"])]
    answer = nitro.adjudicator.call("compute_reclaim_effects", source, judged, 2)
    assert answer == (simple(A, after["left"]), simple(H, after["right"]))
