"""What virtual channels mean for this node: its terms, the room they take, what they paid."""

from __future__ import annotations

from node.config import HubConfig
from node.config_tables import TokenTerms
from protocols.carried import Carried
from protocols.types import ZERO_ADDRESS, Address, checksum_address


def hub_status(hub: HubConfig, carried: Carried) -> dict[str, object]:
    """The hub's figures as JSON values; amounts are decimal strings, a limit of null is none."""
    native = TokenTerms(hub.fee_base, hub.fee_ppm, hub.fee_minimum, hub.capacity, hub.exposure_max)
    terms = {ZERO_ADDRESS: native, **hub.tokens}
    return {
        "enabled": hub.enabled,
        "guarantee_count_max": hub.guarantee_count_max,
        "channel_count": sum(share.as_hub for share in carried.shares.values()),
        "assets": [_asset(asset, terms[asset], carried) for asset in terms],
        "peers": [
            {
                "peer": checksum_address(peer),
                "asset": checksum_address(asset),
                "exposure": str(amount),
                "exposure_max": _limit(terms[asset].exposure_max if asset in terms else None),
            }
            for (peer, asset), amount in sorted(carried.exposure.items())
        ],
    }


def _asset(asset: Address, terms: TokenTerms, carried: Carried) -> dict[str, object]:
    return {
        "asset": checksum_address(asset),
        "fee_base": str(terms.fee_base),
        "fee_ppm": terms.fee_ppm,
        "fee_minimum": str(terms.fee_minimum),
        "capacity": _limit(terms.capacity),
        "carried": str(carried.amount_as_hub.get(asset, 0)),
        "exposure_max": _limit(terms.exposure_max),
        "fees_earned": str(carried.fees_earned.get(asset, 0)),
    }


def _limit(limit: int | None) -> str | None:
    return None if limit is None else str(limit)
