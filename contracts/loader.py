"""Reads committed artifacts and refuses any that is not the one the manifest names.

Knows nothing of chains, addresses or the compiler.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from contracts.manifest import ROOT, read_manifest


class ArtifactMissingError(LookupError):
    """No contract of that name was compiled; the text lists those that were."""


class ArtifactDamagedError(ValueError):
    """An artifact's bytes are not those the manifest was written for."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. No contract here takes constructor arguments."""

    name: str
    """The contract's name; helpers of the tests are named `test/Name`."""
    abi: list[dict[str, Any]]
    """The ABI as the compiler gave it; shared by all callers, so never change it."""
    bytecode: bytes
    """Creation code: the data of a deploying transaction."""
    deployed_bytecode: bytes
    """Run-time code: what `eth_getCode` answers once it is deployed."""


@functools.cache
def load_artifact(name: str) -> Artifact:
    """Read the artifact of one contract, for example `NitroAdjudicator`; cached.

    Raises ArtifactMissingError for an unknown name and ArtifactDamagedError when the file does
    not match its sha256 in the manifest.
    """
    digests: dict[str, str] = read_manifest()["artifacts"]
    path = f"artifacts/{name}.json"
    if path not in digests:
        known = ", ".join(sorted(key[len("artifacts/") : -len(".json")] for key in digests))
        raise ArtifactMissingError(f"no contract {name!r}; there are: {known}")
    content = (ROOT / path).read_bytes()
    if hashlib.sha256(content).hexdigest() != digests[path]:
        raise ArtifactDamagedError(f"contracts/{path} does not match contracts/manifest.json")
    fields = json.loads(content)
    return Artifact(
        name=name,
        abi=fields["abi"],
        bytecode=bytes.fromhex(fields["bytecode"].removeprefix("0x")),
        deployed_bytecode=bytes.fromhex(fields["deployedBytecode"].removeprefix("0x")),
    )
