"""The manifest notices every file that changed, vanished or appeared, without a compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contracts import manifest
from contracts.manifest import MANIFEST_NAME, main, read_manifest, verify_manifest


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    root = tmp_path / "contracts"
    shutil.copytree(manifest.ROOT, root)
    return root


def test_this_tree_is_as_it_was_built() -> None:
    assert verify_manifest() == []


def test_the_manifest_names_the_compiler_and_every_kind_of_file() -> None:
    content = read_manifest()
    assert content["solc"].startswith("0.8.37+commit.")
    assert list(content["settings"]) == ["settings.json"]
    assert "src/NitroAdjudicator.sol" in content["sources"]
    assert "artifacts/NitroAdjudicator.json" in content["artifacts"]


@pytest.mark.parametrize(
    "path",
    ["settings.json", "src/ForceMove.sol", "src/test/FeeToken.sol", "artifacts/TestToken.json"],
)
def test_one_changed_byte_is_named(copied: Path, path: str) -> None:
    content = bytearray((copied / path).read_bytes())
    content[-2] ^= 1
    (copied / path).write_bytes(content)
    assert verify_manifest(copied) == [f"{path}: changed since the contracts were built"]


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "artifacts" / "TestToken.json").unlink()
    expected = ["artifacts/TestToken.json: listed in manifest.json, but missing"]
    assert verify_manifest(copied) == expected


def test_a_file_that_was_not_there_is_named(copied: Path) -> None:
    (copied / "src" / "Added.sol").write_text("contract Added {}\n")
    assert verify_manifest(copied) == ["src/Added.sol: not listed in manifest.json"]


def test_a_missing_or_broken_manifest_is_one_mismatch(copied: Path) -> None:
    (copied / MANIFEST_NAME).write_text("{")
    (finding,) = verify_manifest(copied)
    assert finding.startswith("manifest.json: ")
    (copied / MANIFEST_NAME).unlink()
    (finding,) = verify_manifest(copied)
    assert finding.startswith("manifest.json: ")


def test_the_command_says_yes_or_names_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main() == 0
    assert "match the manifest" in capsys.readouterr().out
    monkeypatch.setattr(manifest, "verify_manifest", lambda: ["src/A.sol: changed"])
    assert main() == 1
    assert "contracts/src/A.sol: changed" in capsys.readouterr().err
