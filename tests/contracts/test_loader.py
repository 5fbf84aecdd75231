"""Artifacts come whole, by name, and only if they are the ones the manifest names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contracts import loader, manifest
from contracts.loader import ArtifactDamagedError, ArtifactMissingError, load_artifact


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the artifacts, which the loader reads instead of the real ones."""
    shutil.copytree(manifest.ROOT / "artifacts", tmp_path / "artifacts")
    shutil.copy(manifest.ROOT / manifest.MANIFEST_NAME, tmp_path)
    monkeypatch.setattr(loader, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("ConsensusApp", "MessageLogApp", "NitroAdjudicator", "RockPaperScissorsApp"),
        *("TestToken", "VirtualPaymentApp", "test/FeeToken"),
    ],
)
def test_an_artifact_has_an_abi_and_both_codes(name: str) -> None:
    artifact = load_artifact(name)
    assert artifact.name == name
    assert {entry["type"] for entry in artifact.abi} >= {"function"}
    assert len(artifact.bytecode) > len(artifact.deployed_bytecode) > 0


def test_an_artifact_is_read_once() -> None:
    assert load_artifact("NitroAdjudicator") is load_artifact("NitroAdjudicator")


@pytest.mark.parametrize("name", ["Unknown", "../manifest", "NitroAdjudicator.json", ""])
def test_an_unknown_name_is_refused_with_the_names_that_exist(name: str) -> None:
    with pytest.raises(ArtifactMissingError, match=r"NitroAdjudicator.*test/FeeToken"):
        load_artifact(name)


def test_a_changed_artifact_is_refused(copied: Path) -> None:
    path = copied / "artifacts" / "test" / "RefusingApp.json"
    path.write_text(path.read_text().replace("0x60", "0x61", 1))
    with pytest.raises(ArtifactDamagedError, match=r"artifacts/test/RefusingApp\.json"):
        load_artifact.__wrapped__("test/RefusingApp")


def test_an_unchanged_copy_is_accepted(copied: Path) -> None:
    assert load_artifact.__wrapped__("test/RefusingApp") == load_artifact("test/RefusingApp")
