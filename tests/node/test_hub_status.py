"""A hub's figures: terms by asset, room taken by peer, fees earned."""

from __future__ import annotations

import json

from node.config import HubConfig
from node.config_tables import TokenTerms
from node.hub_status import hub_status, past_hub_status
from protocols import events
from protocols.carried import Carried
from protocols.types import ZERO_ADDRESS, checksum_address
from tests.support.actors import ALICE, IRENE, IVAN
from tests.support.carried_channels import Folded, approved

TOKEN = b"\x7a" * 20


def test_a_node_that_is_no_hub_has_figures_too() -> None:
    shown = hub_status(HubConfig(), Carried())
    assert (shown["enabled"], shown["channel_count"], shown["peers"]) == (False, 0, [])
    assert shown["assets"] == [
        {
            "asset": checksum_address(ZERO_ADDRESS),
            "fee_base": "0",
            "fee_ppm": 0,
            "fee_minimum": "0",
            "capacity": None,
            "carried": "0",
            "exposure_max": None,
            "fees_earned": "0",
        }
    ]


def test_what_is_carried_is_shown_by_asset_and_by_peer_beside_the_limits() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 10**20)
    folded.apply(events.ObjectiveCompleted(identity, True, b"\0" * 32))
    hub = HubConfig(True, capacity=10**21, exposure_max=5 * 10**20, tokens={TOKEN: TokenTerms(3)})
    shown = hub_status(hub, folded.carried)
    assert shown["channel_count"] == 1
    native, token = shown["assets"]  # type: ignore[misc]
    assert (native["carried"], native["capacity"]) == (str(10**20), str(10**21))
    assert native["fees_earned"] == "7"
    assert (token["asset"], token["fee_base"]) == (checksum_address(TOKEN), "3")
    assert {row["peer"] for row in shown["peers"]} == {  # type: ignore[attr-defined]
        checksum_address(ALICE.address),
        checksum_address(IRENE.address),
    }
    for row in shown["peers"]:  # type: ignore[attr-defined]
        assert (row["exposure"], row["exposure_max"]) == (str(10**20), str(5 * 10**20))
    json.dumps(shown)


def test_guarantees_in_an_asset_without_terms_are_shown_without_a_limit() -> None:
    carried = Carried()
    carried.exposure[ALICE.address, TOKEN] = 5
    (row,) = hub_status(HubConfig(), carried)["peers"]  # type: ignore[misc]
    assert (row["exposure"], row["exposure_max"]) == ("5", None)


def test_of_the_past_the_sums_are_shown_and_the_terms_are_not() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 10**20)
    folded.apply(events.ObjectiveCompleted(identity, True, b"\0" * 32))
    now, then = hub_status(HubConfig(), folded.carried), past_hub_status(folded.carried)
    assert now.keys() == then.keys()
    assert (then["channel_count"], then["enabled"], then["guarantee_count_max"]) == (1, None, None)
    (asset,) = then["assets"]  # type: ignore[misc]
    known = {"asset", "carried", "fees_earned"}
    assert {key for key, value in asset.items() if value is not None} == known  # type: ignore[has-type]
    assert (asset["carried"], asset["fees_earned"]) == (str(10**20), "7")  # type: ignore[has-type]
    assert [row["exposure_max"] for row in then["peers"]] == [None, None]  # type: ignore[attr-defined]
