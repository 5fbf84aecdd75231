"""The method table, as callers meet it: every method called, rightly and with anything at all."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from node.rpc.dispatch import Dispatcher
from node.rpc.methods import DOCUMENT, METHODS
from protocols.inputs import PeerMessage
from tests.support.rpc_callers import checked_error, request
from tests.support.rpc_node import (
    RecordingNode,
    example_values,
    proposal_from_bob,
    ready_for,
    ready_node,
)
from tests.support.soak import times

ANSWERED_WITH = {
    method["name"]: {**method["result"]["schema"], "components": DOCUMENT["components"]}
    for method in DOCUMENT["methods"]
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=70)
    | st.sampled_from(["0x" + "ab" * 32, "0x" + "AB" * 20, "1", "-1", "0x", "1e18", "9" * 80]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


def params_of(name: str) -> st.SearchStrategy[Any]:
    """Any JSON; often an object with the method's own parameter names."""
    names = [param["name"] for param in _described(name)["params"]]
    own = st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))
    return own | JSON


def _described(name: str) -> dict[str, Any]:
    return next(method for method in DOCUMENT["methods"] if method["name"] == name)


def real_ids(node: RecordingNode, params: dict[str, Any]) -> dict[str, Any]:
    """The example's made-up ids replaced by the node's own."""
    real = example_values(node)
    return {name: real.get(str(value), value) for name, value in params.items()}


async def answer_to(node: RecordingNode, message: Any) -> Any:
    """The answer, receipts told as soon as somebody waits for one."""
    answers: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run)

        async def ask() -> None:
            answers.append(json.loads(await Dispatcher(node).answer(json.dumps(message))))

        nursery.start_soon(ask)
        while not answers:
            await trio.lowlevel.checkpoint()
            node.receipt()
        nursery.cancel_scope.cancel()
    return answers[0]


@pytest.mark.parametrize("name", METHODS)
async def test_the_example_of_every_method_is_answered_as_described(name: str) -> None:
    node = ready_for(name)
    params = real_ids(node, METHODS[name].example)
    answer = await answer_to(node, request(name, params))
    assert "result" in answer, answer
    jsonschema.Draft202012Validator(ANSWERED_WITH[name]).validate(answer["result"])


@pytest.mark.parametrize("name", METHODS)
async def test_an_unknown_parameter_is_refused_by_every_method(name: str) -> None:
    answer = await answer_to(ready_node(), request(name, {**METHODS[name].example, "extra": 1}))
    error = checked_error(answer)
    assert error["code"] == -32602
    assert "extra" in error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=times(10), deadline=None)
@given(data=st.data())
async def test_any_parameters_get_an_answer_or_a_well_formed_refusal(
    name: str, data: st.DataObject
) -> None:
    params = data.draw(params_of(name))
    message = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
    answer = await answer_to(ready_node(), message)
    assert answer["id"] == 1
    if "error" in answer:
        error = checked_error(answer)
        assert error["code"] in (-32602, -32600) or error["code"] >= 1_000
    else:
        jsonschema.Draft202012Validator(ANSWERED_WITH[name]).validate(answer["result"])


@pytest.mark.slow
@settings(max_examples=times(50), deadline=None)
@given(message=JSON)
async def test_any_json_is_answered_in_form(message: Any) -> None:
    answer = await answer_to(ready_node(), message)
    for one in answer if isinstance(answer, list) else [answer]:
        assert checked_error(one)["code"] in (-32600, -32601, -32602, -32005)


def test_the_proposal_of_the_tests_waits_for_the_owner() -> None:
    node = RecordingNode()
    assert isinstance(proposal_from_bob(node), PeerMessage)
