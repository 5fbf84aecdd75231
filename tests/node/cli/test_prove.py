"""`tally prove`: from a running node to a file that a stranger can check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import verify_proof
from tests.support.daemons import wait_until

pytestmark = pytest.mark.e2e

NONE = {"length": 0}
"""What stands for the head of a peer of whom none is kept yet."""


def test_a_proof_of_a_running_node_is_checked_by_both_ways(
    tally, tally_json, alice_dir, channel_id, tmp_path
) -> None:
    out = tmp_path / "proof.json"
    said = tally("prove", "0", "--out", out, "--dir", alice_dir)
    assert said.exit_code == 0, said.output
    assert "tally verify-proof" in said.stdout
    found = tally_json("verify-proof", out)
    assert (found["proved"], found["name"]) == (True, "node-created")
    assert verify_proof.main([str(out), found["node"]]) == 0
    assert tally("verify-proof", out, "--node", found["node"]).exit_code == 0


def test_the_newest_record_gets_a_head_and_heads_are_shown(tally_json, alice_dir) -> None:
    newest = tally_json("status", "--dir", alice_dir)["log"]["next_seq"] - 1
    proof = tally_json("prove", newest, "--dir", alice_dir)
    assert verify_proof.verified(proof, proof["node"])[1] == newest
    heads = json.loads(json.dumps(tally_json("call", "log_head", "--dir", alice_dir)))
    assert heads["head"]["length"] >= proof["head"]["length"]


def test_a_peer_keeps_the_head_that_was_signed(tally_json, alice_dir, bob_dir, channel_id) -> None:
    newest = tally_json("status", "--dir", bob_dir)["log"]["next_seq"] - 1
    head = tally_json("prove", newest, "--dir", bob_dir)["head"]

    def of_bob() -> dict[str, Any]:
        (kept,) = tally_json("call", "log_head", "--dir", alice_dir)["peers"] or [{"head": NONE}]
        return kept

    wait_until("alice has it", lambda: of_bob()["head"]["length"] >= head["length"])
    kept = of_bob()
    assert kept["peer"] == tally_json("status", "--dir", bob_dir)["address"]
    assert kept["dispute_count"] == 0
    # It is that head, or a newer one of the same log: bob may have signed again meanwhile.
    span = ["--since", head["length"], "--to", kept["head"]["length"]]
    grown = tally_json("prove", *span, "--dir", bob_dir)
    assert (grown["old"], grown["new"]) == (head, kept["head"])


def test_a_file_that_is_there_stays_and_a_record_that_is_not_is_refused(
    tally_json, alice_dir, tmp_path: Path
) -> None:
    out = tmp_path / "proof.json"
    out.write_text("mine")
    refused = tally_json("prove", "0", "--out", out, "--dir", alice_dir, exit_code=1)
    assert "proof.json" in refused["error"]["message"]
    assert out.read_text() == "mine"
    refused = tally_json("prove", "1000000", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "MOMENT_AHEAD"


def test_that_the_log_only_grew_is_proved_and_checked_by_both_ways(
    tally, tally_json, alice_dir, channel_id, tmp_path: Path
) -> None:
    newest = tally_json("status", "--dir", alice_dir)["log"]["next_seq"] - 1
    old = tally_json("prove", newest, "--dir", alice_dir)["head"]
    # The first record that this head does not cover: others may have come since `newest` was read.
    tally_json("prove", old["length"], "--dir", alice_dir)
    out = tmp_path / "grown.json"
    since = str(old["length"])
    said = tally("prove", "--since", since, "--out", out, "--dir", alice_dir)
    assert said.exit_code == 0, said.output
    assert f"the first {old['length']} of" in said.stdout.replace("\n", " ")
    found = tally_json("verify-proof", out)
    assert (found["proved"], found["old_length"]) == (True, old["length"])
    assert found["length"] > old["length"]
    assert verify_proof.main([str(out), found["node"]]) == 0
    then = tally_json("prove", "--since", since, "--to", since, "--dir", alice_dir)
    assert (then["old"], then["new"], then["path"]) == (old, old, [])
    shown = tally_json("call", "log_head", f"at={since}", "--dir", alice_dir)
    assert shown["head"] == old


def test_what_is_to_be_proved_must_be_named_once(tally, tally_json, alice_dir) -> None:
    for wrong in ([], ["0", "--since", "0"], ["0", "--to", "5"]):
        assert tally("prove", *wrong, "--dir", alice_dir).exit_code == 2
    refused = tally_json("prove", "--since", "0", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "INVALID_PARAMS"
