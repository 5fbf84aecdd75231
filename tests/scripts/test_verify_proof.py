"""The script for strangers: alone, short, right about true proofs and about every forged one."""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import crypto
from protocols.types import checksum_address
from scripts import verify_proof
from tests.support.actors import ALICE, BOB
from tests.support.proofs import (
    COUNT,
    consistency_document,
    consistency_forgeries,
    document,
    forgeries,
)

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "verify_proof.py"
ALICES = checksum_address(ALICE.address)


def run(folder: Path, proof: object, *more: str) -> subprocess.CompletedProcess[str]:
    """The script as a stranger runs it: Python without any package of ours or of others."""
    (folder / "proof.json").write_text(json.dumps(proof))
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(folder / "proof.json"), *more]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ}
    )


@pytest.fixture
def signers_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signed takes a quarter of a second, and most forgeries leave a signature as it is."""
    monkeypatch.setattr(verify_proof, "signer_of", functools.cache(verify_proof.signer_of))


def test_it_is_short_and_needs_nothing_but_python() -> None:
    source = SCRIPT.read_text()
    assert len(source.splitlines()) <= 200
    tree = ast.parse(source, feature_version=(3, 8))
    modules = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= {"__future__", "hashlib", "json", "re", "sys", "typing"}


def test_a_true_proof_is_proved_without_a_package(tmp_path: Path) -> None:
    done = run(tmp_path, document(70), ALICES)
    assert done.returncode == 0, done.stdout + done.stderr
    first, _, record = done.stdout.splitlines()
    assert first == f"PROVED: record 70 of {COUNT} signed by {ALICES}"
    assert json.loads(record)["name"] == "voucher-issued"
    assert run(tmp_path, document(70), checksum_address(BOB.address)).returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize("seq", [0, 1, 63, 64, 127, 128, 191, 192, COUNT - 1])
def test_records_under_every_peak_are_proved(seq: int) -> None:
    found = verify_proof.verified(document(seq), ALICES)
    assert found[1] == seq


@pytest.mark.slow
@pytest.mark.usefixtures("signers_found_once")
def test_every_forged_field_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "proof.json"
    count = 0
    for what, forged in forgeries():
        path.write_text(json.dumps(forged))
        assert verify_proof.main([str(path)]) == 3, what
        assert "NOT PROVED" in capsys.readouterr().out
        count += 1
    assert count > 80


@pytest.mark.slow
@pytest.mark.parametrize("old", [1, 2, 63, 64, 65, 128, 130, 192, COUNT - 1, COUNT])
def test_a_log_that_only_grew_is_proved(old: int) -> None:
    (told,) = verify_proof.consistent(consistency_document(old), ALICES)
    assert told == f"the log of {COUNT} records signed by {ALICES} begins with that of {old}"


def test_a_log_that_only_grew_is_proved_without_a_package(tmp_path: Path) -> None:
    done = run(tmp_path, consistency_document(), ALICES)
    assert (done.returncode, done.stdout[:8]) == (0, "PROVED: "), done.stdout + done.stderr
    assert run(tmp_path, consistency_document(), checksum_address(BOB.address)).returncode == 3


@pytest.mark.slow
@pytest.mark.usefixtures("signers_found_once")
def test_every_forged_field_of_two_heads_is_found(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    count = 0
    for what, forged in consistency_forgeries():
        path.write_text(json.dumps(forged))
        assert verify_proof.main([str(path)]) == 3, what
        count += 1
    assert count > 60


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_what_is_no_proof_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text(text)
    assert verify_proof.main([str(path)]) == 3
    assert verify_proof.main([str(tmp_path / "none")]) == 3


def test_without_a_file_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_proof.main([]) == 2
    assert "tally prove" in capsys.readouterr().out


@given(st.binary(max_size=500))
def test_its_hash_is_keccak(data: bytes) -> None:
    assert verify_proof.keccak256(data) == crypto.keccak256(data)


@settings(max_examples=5)
@given(st.binary(min_size=32, max_size=32))
def test_it_recovers_who_signed(hash32: bytes) -> None:
    digest = crypto.eip191_digest(hash32)
    assert verify_proof.signer_of(digest, ALICE.signer(hash32)) == ALICE.address


def test_it_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("scripts/tally-verify-proof")]
        packed, source = archive.read(name).decode(), SCRIPT.read_text()
    # An installer writes its own Python into the first line.
    assert packed.partition("\n")[2] == source.partition("\n")[2]
