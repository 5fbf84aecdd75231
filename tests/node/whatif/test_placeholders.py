"""Placeholders verify nowhere, and no key is within a simulation's reach."""

from __future__ import annotations

import gc
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from node.whatif.assumptions import EndpointLies, GasPrice, LieKind
from node.whatif.placeholders import (
    PlaceholderSigner,
    for_no_chain,
    is_placeholder,
    keyless,
    keys_within,
    placeholder,
)
from protocols.abi import encode_signature
from protocols.crypto import Signer, recover_address
from protocols.errors import InvalidSignature
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL
from tests.support.network import opened
from tests.support.whatif_nodes import rules_of, run, simulation_of, worth

HASH = b"\x5a" * 32


def test_a_placeholder_is_no_signature() -> None:
    made = PlaceholderSigner(ALICE.address)(HASH)
    assert len(made) == 65
    assert is_placeholder(made)
    assert not is_placeholder(ALICE.signer(HASH))
    assert made == placeholder(ALICE.address, HASH) != placeholder(ALICE.address, b"\x5b" * 32)
    assert not ALICE.known.verify(HASH, made)
    with pytest.raises(InvalidSignature):
        recover_address(HASH, made)
    with pytest.raises(InvalidSignature):
        encode_signature(made)


def test_what_call_data_is_built_of_is_refused_as_well() -> None:
    made = for_no_chain(HASH, placeholder(ALICE.address, HASH), ALICE.address)
    assert encode_signature(made)[31] == 27
    assert not ALICE.known.verify(HASH, made)
    with pytest.raises(InvalidSignature):
        recover_address(HASH, made)


class Holder:
    def __init__(self, held: object) -> None:
        self.held = held

    def method(self, proposal: object) -> None:
        """Holds on to its holder."""


def closure(held: object) -> Any:
    return lambda: held


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held


class Hides:
    def __init__(self) -> None:
        self.node_secret = b"\x01" * 32


@pytest.mark.parametrize(
    "root",
    [
        ALICE.signer,
        Holder(ALICE.signer),
        Holder(ALICE.signer).method,
        Slotted([{"a": (ALICE.signer,)}]),
        closure(ALICE.signer),
        closure(Holder(frozenset({ALICE.signer}))),
        partial(Holder, ALICE.signer),
        lambda key=ALICE.signer: key,
        Hides(),
    ],
)
def test_a_key_is_found_wherever_it_hides(root: object) -> None:
    assert keys_within(root)
    with pytest.raises(AssertionError, match="may reach no key"):
        keyless(replace(rules_of(opened().alice), decide=root))


def test_what_holds_no_key_is_let_through() -> None:
    rules = rules_of(opened().alice)
    assert keys_within(rules) == ["Signer"]
    assert keys_within(keyless(rules)) == []


def reached_from(root: object) -> list[object]:
    """All that the collector can follow from an object, but for what every program shares:
    modules, classes, and the globals of functions."""
    found: list[object] = []
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, ModuleType | type):
            continue
        seen.add(id(item))
        found.append(item)
        shared = {id(item.__globals__)} if isinstance(item, FunctionType) else set()
        waiting.extend(one for one in gc.get_referents(item) if id(one) not in shared)
    return found


@pytest.mark.parametrize("lie", [None, *LieKind])
def test_nothing_that_a_simulation_holds_leads_to_a_key(lie: LieKind | None) -> None:
    alice = opened().alice
    simulation = simulation_of(alice)
    if lie is not None:
        run(simulation, GasPrice(3), EndpointLies(lie, CHANNEL, amount=5, duration_s=60))
    reached = reached_from([simulation, simulation.chain.true_state(), worth(simulation)])
    assert len(reached) > 100
    assert any(item is alice.channel() for item in reached)
    assert not any(isinstance(item, Signer) for item in reached)
    assert not any(isinstance(item, bytes) and ALICE.secret in item for item in reached)
    # The walk finds one where there is one.
    assert any(isinstance(item, Signer) for item in reached_from(alice))
