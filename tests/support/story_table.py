"""The stories of adversaries: who is honest, what the others do, and how the honest one gets out.

Each name is one story, told once for every honest role. docs/adversaries.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support import story_channels as channels
from tests.support import story_conclusions as conclusions
from tests.support import story_deeds as ledgers
from tests.support import story_payouts as payouts
from tests.support.model_chain import ModelChain
from tests.support.story_world import ROLES, StoryWorld
from tests.support.web import WebNode

PAYER, FIRST_HUB, SECOND_HUB, PAYEE = ROLES
HUBS = (FIRST_HUB, SECOND_HUB)
ENDS = (PAYER, PAYEE)

ANSWERS = ("checkpoint",)
LEAVES = ("challenge",)
CONCLUDES = ("conclude",)
REDEEMS = ("challenge",)
ANY: tuple[str, ...] = ()


def _nothing(world: StoryWorld) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Story:
    """One story. `route`: kinds of transactions without which the honest node cannot do."""

    name: str
    honest: tuple[str, ...]
    deed: Callable[[StoryWorld, WebNode], None]
    route: tuple[str, ...] = ANY
    before: Callable[[StoryWorld], None] = _nothing
    """What all of them do together before."""
    leads: bool | None = None
    """Whether the honest node leads its ledgers; None: as the seed says."""
    chain_type: type[ModelChain] = ModelChain


def _of_ledgers() -> tuple[Story, ...]:
    return (
        Story("a ledger is challenged with its first state while we are up", ROLES,
              ledgers.stale_while_up, ANSWERS),
        Story("a ledger is challenged with a state from before its live virtual channel", ROLES,
              ledgers.stale_under_live_channel, ANSWERS),
        Story("a ledger is challenged while we are down", ROLES,
              ledgers.stale_while_down, ANSWERS),
        Story("we are back with two blocks left", ROLES,
              ledgers.stale_until_the_last_block, ANSWERS),
        Story("we go down with the answer ordered and not signed", ROLES,
              ledgers.stale_before_signing, ANSWERS),
        Story("we go down with the answer signed and not sent", ROLES,
              ledgers.stale_before_broadcast, ANSWERS),
        Story("old states of a ledger are registered one over the other", ROLES,
              ledgers.stale_in_turn, ANSWERS),
        Story("an old state is checkpointed and another registered above it", ROLES,
              ledgers.stale_after_a_checkpoint, ANSWERS),
        Story("the newest state of a ledger is registered under a live virtual channel", ROLES,
              ledgers.newest_registered, ("transfer",)),
        Story("the challenger clears its own challenge before our answer", ROLES,
              ledgers.races_our_checkpoint),
        Story("old states are tried again after each answer", ROLES,
              ledgers.stale_in_every_block, ANSWERS),
        Story("a ledger is challenged again and again, more than a hundred times", (PAYEE,),
              ledgers.challenges_without_end, ANSWERS),
        Story("the follower registers a proposal that it never answered", ROLES,
              ledgers.takes_the_proposal_alone, leads=True),
        Story("the follower checkpoints a proposal that it never answered", ROLES,
              ledgers.checkpoints_the_proposal_alone, LEAVES, leads=True),
        Story("the follower clears our challenge by a proposal that it never answered", ROLES,
              ledgers.clears_by_the_proposal_alone, LEAVES, leads=True),
        Story("the follower wishes for payments while we leave", ROLES,
              ledgers.wishes_on_while_we_leave, LEAVES, leads=True),
        Story("the follower registers what was agreed before our proposal", ROLES,
              ledgers.takes_no_proposal, leads=True),
        Story("neighbours on both sides go back, and the payer too", HUBS,
              ledgers.both_sides_at_once, ANSWERS),
        Story("a stranger's money lies in our ledger", ROLES,
              ledgers.overfunded),
        Story("a fork drops the challenge, and it comes back", ROLES,
              ledgers.fork_drops_the_challenge, ANSWERS),
        Story("a fork drops our answer", ROLES,
              ledgers.fork_drops_our_answer, ANSWERS),
        Story("forks all along our defence", ROLES,
              ledgers.forks_all_along, ANSWERS),
        Story("the endpoint stalls until four blocks before the deadline", ROLES,
              ledgers.endpoint_stalls, ANSWERS),
        Story("the endpoint tells of a clearing on a branch that does not count", ROLES,
              ledgers.endpoint_tells_a_fork, ANSWERS),
    )  # fmt: skip


def _of_channels() -> tuple[Story, ...]:
    return (
        Story("the payer registers the prefund after payments", (*HUBS, PAYEE),
              channels.payer_registers_prefund),
        Story("the payer registers the postfund after payments", (*HUBS, PAYEE),
              channels.payer_registers_postfund),
        Story("a hub registers the prefund after payments", ROLES,
              channels.hub_registers_prefund),
        Story("payer and hub register in turn", (SECOND_HUB, PAYEE),
              channels.three_times),
        Story("the payer registers the prefund while the payee is down", (PAYEE,),
              channels.prefund_while_down, REDEEMS),
        Story("the payee goes down with its redemption signed and not sent", (PAYEE,),
              channels.prefund_during_restart, REDEEMS),
        Story("the payer never closes", (PAYEE,),
              channels.payer_never_closes, REDEEMS),
        Story("the payee redeems and vanishes", (PAYER, *HUBS),
              channels.payee_redeems_and_vanishes),
        Story("the payee redeems a stale voucher", (PAYER, *HUBS),
              channels.payee_redeems_a_stale_voucher),
        Story("the payee redeems in the block before the deadline", (PAYER, *HUBS),
              channels.redeems_in_the_last_block, LEAVES),
        Story("the payee checkpoints its redemption", (PAYER, *HUBS),
              channels.payee_checkpoints_its_redemption, LEAVES),
        Story("the payee clears our challenge by its redemption", (PAYER, *HUBS),
              channels.payee_clears_by_its_redemption, LEAVES),
        Story("payer and payee keep the postfund from us and checkpoint a redemption", HUBS,
              channels.ends_keep_the_postfund, LEAVES),
        Story("payer and payee make a voucher for everything", HUBS,
              channels.ends_collude_against_hubs),
        Story("hub and payee collude", (PAYER, FIRST_HUB),
              channels.hub_and_payee_collude, ANSWERS),
        Story("hub and payer collude", (SECOND_HUB, PAYEE),
              channels.hub_and_payer_collude, ANSWERS),
        Story("everybody else colludes", ROLES,
              channels.all_against_one, ANSWERS),
        Story("the postfund is registered after all signed the final state", ROLES,
              channels.challenges_after_final, CONCLUDES, before=channels.all_sign_final),
        Story("somebody concludes before the guarantees are given back", ROLES,
              channels.concludes_by_itself, before=channels.all_sign_final),
        Story("everybody vanishes once the final state is signed", ROLES,
              channels.vanishes_at_defund, before=channels.all_sign_final),
        Story("a stranger's conclusion is mined before ours", ROLES,
              channels.races_our_conclusion, before=channels.all_sign_final),
        Story("the payer's final state forgets what she paid", (PAYEE,),
              channels.signs_final_with_less, REDEEMS),
        Story("the payer signs two final states", (PAYEE,),
              channels.signs_final_twice, CONCLUDES),
        Story("the payee keeps the final state, redeems, then concludes", (PAYER,),
              channels.keeps_our_final),
        Story("we lost the end of our log and are challenged", ROLES,
              channels.restored_and_challenged, ANSWERS),
        Story("we forgot a payment, and the payee concludes with what it refused", (PAYER,),
              conclusions.concludes_with_the_refused),
        Story("we forgot a final state, and somebody concludes with it", ROLES,
              conclusions.concludes_with_the_forgotten),
    )  # fmt: skip


def _of_payouts() -> tuple[Story, ...]:
    return (
        Story("a stranger pays into the virtual channel and has it paid out", ROLES,
              payouts.deposits_and_transfers, LEAVES),
        Story("a stranger pays everybody out before us", ROLES,
              payouts.pays_out_for_us, LEAVES),
        Story("a stranger pays the others out between our steps", ROLES,
              payouts.pays_others_between, LEAVES),
        Story("a stranger reclaims for us", ROLES,
              payouts.reclaims_for_us, LEAVES),
        Story("forks drop every step of our exit once", ROLES,
              payouts.fork_drops, LEAVES),
        Story("the others cannot be paid", ROLES,
              payouts.other_cannot_be_paid, LEAVES),
        Story("we cannot be paid for a while", ROLES,
              payouts.we_cannot_be_paid_for_a_while, LEAVES),
        Story("gas costs fifty times as much when we answer", ROLES,
              payouts.fees_rise, ANSWERS, chain_type=payouts.FeeChain),
        Story("gas costs fifty times as much with four blocks left", ROLES,
              payouts.fees_rise_near_the_end, ANSWERS, chain_type=payouts.FeeChain),
    )  # fmt: skip


STORIES = (*_of_ledgers(), *_of_channels(), *_of_payouts())
"""Those with a table row each; who vanishes when is told in `vanishing`."""
