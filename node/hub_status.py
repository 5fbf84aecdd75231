"""What virtual channels mean for this node: its terms, the room they take, what they paid."""

from __future__ import annotations

from collections.abc import Mapping

from node.config import HubConfig
from node.config_tables import TokenTerms
from protocols.carried import Carried
from protocols.types import ZERO_ADDRESS, Address, checksum_address


def hub_status(hub: HubConfig, carried: Carried) -> dict[str, object]:
    """The hub's figures as JSON values; amounts are decimal strings, a limit of null is none."""
    native = TokenTerms(hub.fee_base, hub.fee_ppm, hub.fee_minimum, hub.capacity, hub.exposure_max)
    shown = {"enabled": hub.enabled, "guarantee_count_max": hub.guarantee_count_max}
    return {**shown, **_figures({ZERO_ADDRESS: native, **hub.tokens}, carried)}


def past_hub_status(carried: Carried) -> dict[str, object]:
    """The same of a past moment. The terms of then are in no log: they are null, and assets are
    those that anything was carried or earned in."""
    others = {asset for _, asset in carried.exposure}
    others |= carried.amount_as_hub.keys() | carried.fees_earned.keys()
    terms = dict.fromkeys([ZERO_ADDRESS, *sorted(others - {ZERO_ADDRESS})])
    return {"enabled": None, "guarantee_count_max": None, **_figures(terms, carried)}


def _figures(terms: Mapping[Address, TokenTerms | None], carried: Carried) -> dict[str, object]:
    return {
        "channel_count": sum(share.as_hub for share in carried.shares.values()),
        "assets": [_asset(asset, found, carried) for asset, found in terms.items()],
        "peers": [
            {
                "peer": checksum_address(peer),
                "asset": checksum_address(asset),
                "exposure": str(amount),
                "exposure_max": _limit(found.exposure_max if (found := terms.get(asset)) else None),
            }
            for (peer, asset), amount in sorted(carried.exposure.items())
        ],
    }


def _asset(asset: Address, terms: TokenTerms | None, carried: Carried) -> dict[str, object]:
    return {
        "asset": checksum_address(asset),
        "fee_base": str(terms.fee_base) if terms else None,
        "fee_ppm": terms.fee_ppm if terms else None,
        "fee_minimum": str(terms.fee_minimum) if terms else None,
        "capacity": _limit(terms.capacity) if terms else None,
        "carried": str(carried.amount_as_hub.get(asset, 0)),
        "exposure_max": _limit(terms.exposure_max) if terms else None,
        "fees_earned": str(carried.fees_earned.get(asset, 0)),
    }


def _limit(limit: int | None) -> str | None:
    return None if limit is None else str(limit)
