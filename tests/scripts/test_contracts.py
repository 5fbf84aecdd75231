"""The build script: what is compiled together, what counts as a difference, what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts import manifest
from scripts import contracts as build_script
from scripts.contracts import BuildError, artifact_names, artifact_text, differences, import_closure

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_contract_is_compiled_with_what_it_imports_and_nothing_else() -> None:
    closure = import_closure(ROOT / "contracts/src/ConsensusApp.sol", ROOT / "contracts")
    assert list(closure) == [
        "src/Consensus.sol",
        "src/ConsensusApp.sol",
        "src/IForceMoveApp.sol",
        "src/NitroTypes.sol",
    ]


def test_every_contract_of_the_tests_has_an_artifact() -> None:
    names = artifact_names(ROOT / "contracts")
    assert set(names) == {
        path.removeprefix("artifacts/").removesuffix(".json")
        for path in manifest.read_manifest()["artifacts"]
    }
    assert "test/ReentrantReceiver" in names


def test_equal_folders_have_no_differences_and_any_change_is_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        shutil.copytree(ROOT / "contracts/artifacts", folder / "artifacts")
        shutil.copy(ROOT / "contracts/manifest.json", folder)
    assert differences(one, other) == []
    (other / "artifacts/TestToken.json").unlink()
    (one / "manifest.json").write_text("{}")
    assert differences(one, other) == ["artifacts/TestToken.json", "manifest.json"]


def compiled(code_size: int) -> dict[str, Any]:
    code = {"object": "00" * code_size}
    contract = {"abi": [], "evm": {"bytecode": code, "deployedBytecode": code}}
    return {"contracts": {"src/A.sol": {"A": contract}}}


def test_code_up_to_the_chains_limit_is_accepted_and_one_byte_more_is_not() -> None:
    text = artifact_text("A", compiled(build_script.CODE_SIZE_MAX))
    assert json.loads(text)["contract"] == "A"
    with pytest.raises(BuildError, match=r"24577 bytes of code, 24576 are allowed"):
        artifact_text("A", compiled(build_script.CODE_SIZE_MAX + 1))


def test_a_warning_of_the_compiler_is_an_error() -> None:
    output = {**compiled(1), "errors": [{"formattedMessage": "Warning: unused variable"}]}
    with pytest.raises(BuildError, match=r"unused variable"):
        artifact_text("A", output)


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/contracts.py"), *arguments]
    settings = {**os.environ, **environment}
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


def test_the_manifest_is_checked_without_node(tmp_path: Path) -> None:
    done = run_script("--manifest", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_an_unknown_argument_is_refused() -> None:
    assert run_script("rebuild", "--check").returncode == 2
    assert run_script().returncode == 2


def test_a_machine_without_node_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_wheel(scratch: Path) -> list[str]:
        raise build_script.SetupError(f"npm is missing and no wheel of it came to {scratch.name}")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(build_script, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(build_script, "find_npm", no_wheel)
    monkeypatch.setattr(sys, "argv", ["contracts.py", "--check"])
    assert build_script.main() == 1
    assert "npm is missing" in capsys.readouterr().err
