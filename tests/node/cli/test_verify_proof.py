"""`tally verify-proof`: true proofs pass, each forged field is found, and nothing asks a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli.app import app
from node.cli.verify_proof import PROOF_SIZE_BYTES_MAX
from protocols.types import checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.proofs import (
    COUNT,
    consistency_document,
    consistency_forgeries,
    document,
    forgeries,
)

RUNNER = CliRunner()


def verify(path: Path, *more: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["verify-proof", str(path), *more])
    return done.exit_code, done.output


def written(folder: Path, proof: object) -> Path:
    path = folder / "proof.json"
    path.write_text(json.dumps(proof))
    return path


def test_a_true_proof_shows_its_record(tmp_path: Path) -> None:
    path = written(tmp_path, document(70))
    code, shown = verify(path, "--json")
    found = json.loads(shown)
    assert code == 0
    assert (found["proved"], found["seq"], found["length"]) == (True, 70, COUNT)
    assert found["node"] == checksum_address(ALICE.address)
    assert found["name"] == "voucher-issued"
    assert found["payload"]["memo"] == "payment 70"
    code, shown = verify(path, "--node", checksum_address(ALICE.address))
    assert code == 0
    assert "Proved: record 70 is in the log" in shown


def test_a_proof_of_another_nodes_log_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, document(70))
    code, shown = verify(path, "--node", checksum_address(BOB.address))
    assert code == 3
    assert "NOT PROVED" in shown
    code, shown = verify(path, "--node", "0x12", "--json")
    assert code == 3
    assert json.loads(shown)["proved"] is False


@pytest.mark.slow
def test_every_forged_field_is_found(tmp_path: Path) -> None:
    count = 0
    for what, forged in forgeries():
        # Its own copy of the chain hash is there to be read, and is not what is checked.
        if what.startswith("chain_hash") or "node " in what:
            continue
        code, shown = verify(written(tmp_path, forged), "--json")
        assert (code, json.loads(shown)["proved"]) == (3, False), what
        count += 1
    assert count > 60


def test_a_log_that_only_grew_is_proved(tmp_path: Path) -> None:
    path = written(tmp_path, consistency_document(70))
    code, shown = verify(path, "--json")
    found = json.loads(shown)
    assert (code, found["proved"], found["old_length"], found["length"]) == (0, True, 70, COUNT)
    code, shown = verify(path, "--node", checksum_address(ALICE.address))
    assert code == 0
    assert f"Proved: the log of {COUNT} records begins with that of 70" in shown
    assert verify(path, "--node", checksum_address(BOB.address))[0] == 3


def test_every_forged_field_of_two_heads_is_found(tmp_path: Path) -> None:
    for what, forged in consistency_forgeries():
        if "node " in what:
            continue
        code, shown = verify(written(tmp_path, forged), "--json")
        assert (code, json.loads(shown)["proved"]) == (3, False), what


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": "other"}', "[" * 100_000])
def test_what_is_no_proof_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text(text)
    assert verify(path)[0] == 3


def test_a_file_that_is_missing_or_too_large_fails(tmp_path: Path) -> None:
    assert verify(tmp_path / "none")[0] == 1
    path = tmp_path / "large"
    path.write_bytes(b" " * (PROOF_SIZE_BYTES_MAX + 1))
    assert verify(path)[0] == 1
