"""`tally explain`."""

import pytest

from node.cli import explain

pytestmark = pytest.mark.e2e


def test_one_command_finds_out_what_an_id_is_of(
    tally_json, network, channel_id, alice_dir, bob_dir
) -> None:
    # With bob's receipt it is in his log, too.
    terms = ["5gwei", "--memo", "tea", "--receipt", "--dir", alice_dir]
    paid = tally_json("pay", channel_id, *terms)
    objective_id = network.channel(network.alice, channel_id)["objective_ids"][0]
    kinds = {
        identifier: tally_json("explain", identifier, "--dir", directory)
        for identifier, directory in (
            (channel_id, bob_dir),
            (channel_id[:12], alice_dir),
            (objective_id, alice_dir),
            (objective_id[:10], bob_dir),
            (paid["payment_id"], bob_dir),
        )
    }
    about = [story["about"] for story in kinds.values()]
    assert about == ["channel", "channel", "objective", "objective", "payment"]
    story = kinds[paid["payment_id"]]
    assert (story["memo"], story["standing"]["status"]) == ("tea", "receipted")
    whole = kinds[channel_id[:12]]
    assert whole["steps"][0]["began_by"] == "command"
    assert whole["next_seq"] is None


def test_a_story_reads_as_sentences_with_what_to_type_next(tally, channel_id, alice_dir) -> None:
    told = tally("explain", channel_id, "--dir", alice_dir).stdout
    assert told.startswith(f"Channel {channel_id[:6]}…{channel_id[-4:]}: direct, ")
    assert "It is open" in told
    assert f"You can: tally close {channel_id[:6]}…{channel_id[-4:]}" in told
    assert "We sent a channel proposal: prefund (turn 0) to payee 0x" in told
    assert "on the peer's disk" in told
    assert "The goal was looked at" not in told
    assert (
        "The goal was looked at" in tally("explain", channel_id, "--all", "--dir", alice_dir).stdout
    )


def test_a_story_may_begin_at_a_record_and_end_at_a_moment(
    tally_json, channel_id, alice_dir
) -> None:
    whole = tally_json("explain", channel_id, "--dir", alice_dir)["steps"]
    later = tally_json("explain", channel_id, "--from", whole[5]["seq"], "--dir", alice_dir)
    assert later["steps"][0]["seq"] == whole[5]["seq"]
    then = tally_json("explain", channel_id, "--at", str(whole[5]["seq"]), "--dir", alice_dir)
    assert [step["seq"] for step in then["steps"]] == [step["seq"] for step in whole[:6]]


def test_an_id_of_nothing_says_where_to_look(tally_json, alice_dir) -> None:
    nothing = "0x" + "ee" * 32
    error = tally_json("explain", nothing, "--dir", alice_dir, exit_code=1)["error"]
    assert error["name"] == "NOTHING_OF_THAT_ID"
    assert "tally channels" in error["next_step"]


def test_a_story_of_many_pages_is_one_story(
    tally_json, channel_id, alice_dir, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of one moment: the channel's story may go on between the two.
    now = tally_json("status", "--dir", alice_dir)["at"]["seq"]
    asked = ["explain", channel_id, "--at", str(now), "--dir", alice_dir]
    whole = tally_json(*asked)["steps"]
    ask = explain.ask
    monkeypatch.setattr(explain, "ask", lambda *names, **given: ask(*names, **given, limit=1))
    in_pages = tally_json(*asked)["steps"]
    assert [step["seq"] for step in in_pages] == [step["seq"] for step in whole]
