"""The OpenRPC document: whole, resolvable, and true to the table it is made from."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from node.rpc.methods import DOCUMENT, METHODS

SCHEMAS = DOCUMENT["components"]["schemas"]


def references(value: Any) -> set[str]:
    """Every $ref in a JSON value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def test_the_document_lists_every_method_once() -> None:
    assert [method["name"] for method in DOCUMENT["methods"]] == sorted(METHODS)
    assert DOCUMENT["openrpc"].startswith("1.3")


def test_the_document_is_plain_json() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_to_a_schema_and_every_schema_is_referred_to() -> None:
    named = {f"#/components/schemas/{name}" for name in SCHEMAS}
    assert references(DOCUMENT) == named


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("method", DOCUMENT["methods"], ids=lambda method: method["name"])
def test_every_example_fits_its_schemas(method: dict[str, Any]) -> None:
    schemas = {param["name"]: param["schema"] for param in method["params"]}
    given = {param["name"]: param["value"] for param in method["examples"][0]["params"]}
    required = {param["name"] for param in method["params"] if param["required"]}
    assert required <= set(given) <= set(schemas)
    for name, value in given.items():
        root = {**schemas[name], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(root).validate(value)
    assert method["summary"].endswith(".")
    assert method["paramStructure"] == "by-name"


@pytest.mark.parametrize("method", DOCUMENT["methods"], ids=lambda method: method["name"])
def test_refusals_are_listed_with_code_name_and_advice(method: dict[str, Any]) -> None:
    for error in method["errors"]:
        assert error["code"] >= 1_000
        assert error["data"]["name"].isupper()
        assert error["data"]["next_step"]
