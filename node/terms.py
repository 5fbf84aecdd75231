"""The rules of this node as a crank hears them, from what the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from node.config import Config, HubConfig
from node.policy import policy_from
from protocols.crypto import Signer
from protocols.draft import Context
from protocols.hub import FeeTerms, fee_rule
from protocols.types import ZERO_ADDRESS, Address

Limits = Mapping[Address, int | None]


def terms_from(config: Config, signer: Signer) -> Context:
    """All that a crank is told but the moment: time and the age of the chain's view are unset."""
    policy, hub = config.policy, config.hub
    native = FeeTerms(hub.fee_base, hub.fee_ppm, hub.fee_minimum)
    fees = {ZERO_ADDRESS: native}
    for token, terms in hub.tokens.items():
        fees[token] = FeeTerms(terms.fee_base, terms.fee_ppm, terms.fee_minimum)
    return Context(
        0,
        signer,
        signer.address,
        policy.challenge_duration_s_min,
        policy_from(policy.default, policy.rules),
        None,
        challenge_duration_s_max=policy.challenge_duration_s_max,
        assets=frozenset(policy.assets),
        is_hub=hub.enabled,
        fee_for=fee_rule(fees),
        guarantee_count_max=hub.guarantee_count_max,
        exposure_max=_limit(_exposures(hub), None),
        # Nobody said what carrying another token costs: the node carries none of it.
        capacity=_limit(_capacities(hub), 0),
        approval_timeout_s=policy.approval_timeout_s,
        challenge_after_silence_s=policy.challenge_after_silence_s,
        exit_patience_s=policy.exit_patience_s,
        shares_vouchers=config.payments.share_vouchers,
    )


def _exposures(hub: HubConfig) -> Limits:
    of_tokens = {token: terms.exposure_max for token, terms in hub.tokens.items()}
    return {ZERO_ADDRESS: hub.exposure_max, **of_tokens}


def _capacities(hub: HubConfig) -> Limits:
    of_tokens = {token: terms.capacity for token, terms in hub.tokens.items()}
    return {ZERO_ADDRESS: hub.capacity, **of_tokens}


def _limit(by_asset: Limits, otherwise: int | None) -> Callable[[Address], int | None]:
    """The limit of any asset; `otherwise` for one that is not configured."""

    def limit(asset: Address) -> int | None:
        return by_asset.get(asset, otherwise)

    return limit
