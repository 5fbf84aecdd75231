"""Assumptions as callers write them: each kind takes what it needs, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from node.rpc import assumptions
from node.rpc.assumptions import AssumptionParams, assumption_of
from node.rpc.errors import InvalidParams
from node.whatif import assumptions as assume
from protocols.types import ZERO_ADDRESS, checksum_address
from tests.support.actors import BOB

BOBS = checksum_address(BOB.address)
SOME = "0x" + "0f" * 32


def read(sample: dict[str, Any]) -> assume.Assumption:
    return assumption_of("assumptions[0]", msgspec.convert(sample, AssumptionParams))


SAMPLES: tuple[dict[str, Any], ...] = (
    {"kind": "wait", "duration_s": 5},
    {"kind": "silence", "peer": BOBS, "duration_s": 5},
    {"kind": "chain_silence", "duration_s": 5},
    {"kind": "no_deposit", "channel_id": SOME, "duration_s": 5},
    {"kind": "payment", "channel_id": SOME, "amount": "5"},
    {"kind": "open_channel", "peer": BOBS, "amount": "5", "path": [BOBS], "fees": ["1"]},
    {"kind": "open_ledger", "peer": BOBS, "amount": "5", "counterparty_amount": "6"},
    {"kind": "close", "channel_id": SOME},
    {"kind": "approve", "objective_id": SOME},
    {"kind": "reject", "objective_id": SOME},
    {"kind": "restart"},
    {"kind": "messages_lost", "peer": BOBS},
    {"kind": "message_lost", "peer": BOBS, "number": 1},
    {"kind": "deposited", "channel_id": SOME, "amount": "5"},
    {"kind": "concluded", "channel_id": SOME},
    {"kind": "challenged", "channel_id": SOME, "turn_num": 1},
    {"kind": "challenge_expires", "channel_id": SOME},
    {"kind": "exit", "channel_id": SOME},
    {"kind": "gas_price", "amount": "5"},
    {"kind": "reorg", "number": 1},
    {"kind": "endpoint_lies", "lie": "invents_challenge", "channel_id": SOME, "turn_num": 1},
    {"kind": "endpoint_lies", "lie": "invents_deposit", "channel_id": SOME, "amount": "5"},
    {"kind": "endpoint_lies", "lie": "hides_challenge", "channel_id": SOME, "duration_s": 5},
)


def test_there_are_no_other_kinds() -> None:
    assert {sample["kind"] for sample in SAMPLES} == set(assumptions._KINDS)


def test_a_path_leads_over_ledgers() -> None:
    given = {"kind": "open_channel", "peer": BOBS, "amount": "0x5"}
    who, amount, asset = BOB.address, 5, ZERO_ADDRESS
    assert read(given) == assume.Open(who, amount, asset)
    routed = assume.Open(who, amount, asset, via=(who,), over_ledgers=True, fees=(1,))
    assert read({**given, "path": [BOBS], "fees": ["1"]}) == routed
    assert read({**given, "over_ledger": True}) == assume.Open(
        who, amount, asset, over_ledgers=True
    )


@pytest.mark.parametrize(
    "sample", [one for one in SAMPLES if len(one) > 1], ids=lambda one: one["kind"]
)
def test_what_a_kind_needs_must_be_there_and_nothing_else(sample: dict[str, Any]) -> None:
    needed = list(sample)[1]
    without = {name: value for name, value in sample.items() if name != needed}
    with pytest.raises(InvalidParams) as refused:
        read(without)
    assert refused.value.parameter == f"assumptions[0].{needed}"
    name, value = next(
        (name, value)
        for name, value in {"objective_id": SOME, "counterparty_amount": "1"}.items()
        if name not in sample
    )
    with pytest.raises(InvalidParams, match="takes none"):
        read({**sample, name: value})


@pytest.mark.parametrize(
    "assumption",
    [
        {"kind": "payment", "channel_id": "0x12", "amount": "5"},
        {"kind": "payment", "channel_id": SOME, "amount": "-5"},
        {"kind": "payment", "channel_id": SOME, "amount": str(2**256)},
        {"kind": "silence", "peer": "0x" + "g" * 40, "duration_s": 5},
        {"kind": "open_channel", "peer": BOBS, "amount": "5", "path": ["0x00"]},
        {"kind": "open_channel", "peer": BOBS, "amount": "5", "fees": ["x"]},
    ],
)
def test_values_out_of_shape_are_refused_with_their_place(assumption: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as refused:
        read(assumption)
    assert refused.value.parameter.startswith("assumptions[0].")


def test_each_lie_takes_what_it_needs() -> None:
    who = bytes.fromhex("0f" * 32)
    kind = assume.LieKind
    assert [read(one) for one in SAMPLES if "lie" in one] == [
        assume.EndpointLies(kind.INVENTS_CHALLENGE, who, 1),
        assume.EndpointLies(kind.INVENTS_DEPOSIT, who, amount=5),
        assume.EndpointLies(kind.HIDES_CHALLENGE, who, duration_s=5),
    ]
    for lie, needed in (("invents_deposit", "amount"), ("hides_challenge", "duration_s")):
        with pytest.raises(InvalidParams) as refused:
            read({"kind": "endpoint_lies", "lie": lie, "channel_id": SOME})
        assert refused.value.parameter == f"assumptions[0].{needed}"
    with pytest.raises(InvalidParams, match="takes none"):
        read({**SAMPLES[-2], "duration_s": 5})
