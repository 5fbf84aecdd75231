"""What the configuration says arrives in the core: fees, limits, rules and times."""

from pathlib import Path

import pytest

from node.config import Config, load
from node.terms import terms_from
from protocols.draft import HUB, Proposal
from protocols.types import ZERO_ADDRESS, checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CONSENSUS_APP, PAYMENT_APP

TOKEN, OTHER = b"\x70" * 20, b"\x71" * 20
CHAIN = f"""[chain]
urls = ["ws://127.0.0.1:8545"]
chain_id = 31337
adjudicator = "{checksum_address(ADJUDICATOR)}"
virtual_payment_app = "{checksum_address(PAYMENT_APP)}"
consensus_app = "{checksum_address(CONSENSUS_APP)}"
"""
HUB_SECTION = f"""[hub]
enabled = true
fee_base = "1"
fee_ppm = 1000
capacity = "5000000000000000000000"
guarantee_count_max = 7
[hub.tokens."{checksum_address(TOKEN)}"]
fee_minimum = 9
exposure_max = 40
[policy]
approval_timeout_s = 60
challenge_duration_s_min = 7200
challenge_duration_s_max = 172800
assets = ["{checksum_address(TOKEN)}", "{checksum_address(OTHER)}"]
[[policy.rules]]
role = "hub"
verdict = "allow"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.toml").write_text(CHAIN + HUB_SECTION)
    return load(tmp_path, environment={})


def test_a_node_is_no_hub_and_has_no_limits_unless_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CHAIN)
    terms = terms_from(load(tmp_path, environment={}), BOB.signer)
    assert not terms.is_hub
    assert terms.fee_for(ZERO_ADDRESS, 10**18) == 0
    assert (terms.guarantee_count_max, terms.exposure_max(ZERO_ADDRESS)) == (100, None)
    assert terms.approval_timeout_s == 86_400


def test_fees_and_limits_are_those_of_the_asset(config: Config) -> None:
    terms = terms_from(config, BOB.signer)
    assert terms.is_hub
    assert (terms.me, terms.guarantee_count_max) == (BOB.address, 7)
    assert (terms.fee_for(ZERO_ADDRESS, 1_000), terms.fee_for(TOKEN, 1_000)) == (2, 9)
    assert (terms.capacity(ZERO_ADDRESS), terms.capacity(TOKEN)) == (5 * 10**21, None)
    assert (terms.exposure_max(ZERO_ADDRESS), terms.exposure_max(TOKEN)) == (None, 40)
    assert terms.assets == {TOKEN, OTHER}


def test_a_token_without_terms_is_not_carried(config: Config) -> None:
    terms = terms_from(config, BOB.signer)
    assert terms.capacity(OTHER) == 0
    assert terms.exposure_max(OTHER) is None


def test_rules_and_times_of_the_policy_arrive(config: Config) -> None:
    terms = terms_from(config, BOB.signer)
    asked = Proposal(ALICE.address, "VirtualFund", ZERO_ADDRESS, 0, 0, 86_400, HUB, 5)
    assert terms.decide(asked).verdict == "allow"
    assert terms.approval_timeout_s == 60
    assert (terms.challenge_duration_s_min, terms.challenge_duration_s_max) == (7_200, 172_800)
