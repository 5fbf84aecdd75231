"""Contracts with one rule taken out, compiled from our sources, for tables that must notice."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import manifest
from contracts.loader import Artifact
from scripts.contracts import DRIVER, compiler_input, fetch_solc, find_node


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `src/<file>.sol` and becomes `new`; `contract` is compiled with it."""

    contract: str
    file: str
    old: str
    new: str


def compiled(mutants: Sequence[Mutant], folder: Path) -> list[Artifact]:
    """One artifact for each mutant, all compiled by one run of the compiler."""
    inputs = [_input(mutant, folder / str(number)) for number, mutant in enumerate(mutants)]
    node = find_node()
    command = [node, "-e", DRIVER, str(fetch_solc(node))]
    done = subprocess.run(
        command, input=json.dumps(inputs), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)["outputs"]
    return [_artifact(*each) for each in zip(mutants, outputs, strict=True)]


def _input(mutant: Mutant, root: Path) -> dict[str, Any]:
    shutil.copytree(manifest.ROOT / "src", root / "src")
    shutil.copy(manifest.ROOT / manifest.SETTINGS_NAME, root)
    path = root / "src" / f"{mutant.file}.sol"
    text = path.read_text()
    assert text.count(mutant.old) == 1, (mutant, text.count(mutant.old))
    path.write_text(text.replace(mutant.old, mutant.new))
    given = compiler_input(mutant.contract, root)
    # Twice as fast, and what a rule does is not the optimiser's business.
    given["settings"]["viaIR"] = False
    return given


def _artifact(mutant: Mutant, output: dict[str, Any]) -> Artifact:
    errors = [each for each in output.get("errors", []) if each["severity"] == "error"]
    assert errors == [], (mutant, errors)
    made = output["contracts"][f"src/{mutant.contract}.sol"][mutant.contract]
    code = made["evm"]
    return Artifact(
        name=mutant.contract,
        abi=made["abi"],
        bytecode=bytes.fromhex(code["bytecode"]["object"]),
        deployed_bytecode=bytes.fromhex(code["deployedBytecode"]["object"]),
    )
