"""`tally events`."""

import pytest

from node.cli import events
from node.cli.output import PIPE_WIDTH

pytestmark = pytest.mark.e2e


def test_the_newest_records_come_last(tally, tally_json, channel_id, alice_dir) -> None:
    page = tally_json("events", "--limit", "5", "--dir", alice_dir)
    seqs = [record["seq"] for record in page["records"]]
    assert seqs == list(range(seqs[0], seqs[0] + 5))
    assert seqs[-1] + 1 == page["next_seq"]
    first = tally_json("events", "--from", "0", "--limit", "1", "--dir", alice_dir)["records"]
    assert [record["name"] for record in first] == ["node-created"]
    assert "node-created" in tally("events", "--from", "0", "--dir", alice_dir).stdout


def test_one_channel_or_objective_can_be_followed(
    tally, tally_json, network, channel_id, alice_dir
) -> None:
    page = tally_json("events", "--channel", channel_id[:12], "--limit", "1000", "--dir", alice_dir)
    names = [record["name"] for record in page["records"]]
    assert "channel-created" in names
    assert {r["payload"]["channel_id"] for r in page["records"]} == {channel_id}
    objective_id = network.channel(network.alice, channel_id)["objective_ids"][0]
    page = tally_json("events", "--objective", objective_id, "--dir", alice_dir)
    assert "objective-created" in [record["name"] for record in page["records"]]


@pytest.mark.parametrize("width", ["80", None])
def test_only_the_content_gives_way_on_a_narrow_screen(
    tally, tally_json, channel_id, alice_dir, width: str | None
) -> None:
    # As of one moment: there may be fewer than thirty yet, and more when they are read again.
    now = tally_json("status", "--dir", alice_dir)["at"]["seq"]
    arguments = ["events", "--from", "0", "--limit", "30", "--at", str(now), "--dir", alice_dir]
    records = tally_json(*arguments)["records"]
    lines = tally(*arguments, **({"COLUMNS": width} if width else {})).stdout.splitlines()
    assert max(map(len, lines)) <= int(width or PIPE_WIDTH)
    assert len(lines) == len(records) + 3
    for record, line in zip(records, lines[3:], strict=True):
        seq, cause, day, moment, name, content = line.split(None, 5)
        assert (int(seq), name) == (record["seq"], record["name"])
        assert cause == ("-" if record["cause_seq"] is None else str(record["cause_seq"]))
        assert (len(day), len(moment)) == (len("01-31"), len("23:59:59.999"))
        assert content.startswith("{")


def test_the_log_ends_somewhere(tally, alice_dir) -> None:
    result = tally("events", "--from", "99999999", "--dir", alice_dir)
    assert result.exit_code == 0
    assert "No records there" in result.stdout


def test_too_many_records_are_bad_usage(tally, alice_dir) -> None:
    assert tally("events", "--limit", "1001", "--dir", alice_dir).exit_code == 2


def test_names_and_peers_are_filters_of_the_newest_and_from_a_record_on(
    tally, tally_json, network, channel_id, alice_dir
) -> None:
    # As of one moment: another channel may be opened or closed in the same network.
    now = tally_json("status", "--dir", alice_dir)["at"]["seq"]

    def found(*asked: object, at: int = now) -> list[dict]:
        return tally_json("events", *asked, "--at", at, "--dir", alice_dir)["records"]

    signed = found("--name", "state-signed", "--from", "0", "--limit", "1000")
    assert {record["name"] for record in signed} == {"state-signed"}
    assert len(signed) >= 2
    assert found("--name", "state-signed", "--limit", "2") == signed[-2:]
    assert found("--name", "state-signed", "--from", "0", "--limit", "1") == signed[:1]
    then = signed[-1]["seq"] - 1
    assert found("--name", "state-signed", "--limit", "1000", at=then) == signed[:-1]
    of_bob = found("--peer", network.bob.address, "--channel", channel_id, "--limit", "1000")
    assert {record["payload"]["channel_id"] for record in of_bob} == {channel_id}
    assert found("--peer", "0x" + "11" * 20) == []
    refused = tally("events", "--name", "no-such", "--dir", alice_dir)
    assert refused.exit_code != 0
    assert "no event is named" in refused.stderr


def test_the_newest_that_fit_are_found_however_far_back(
    tally_json, channel_id, alice_dir, monkeypatch
) -> None:
    monkeypatch.setattr(events, "FIRST_LOOK_COUNT", 1)
    found = tally_json("events", "--name", "node-created", "--dir", alice_dir)["records"]
    assert [record["seq"] for record in found] == [0]
