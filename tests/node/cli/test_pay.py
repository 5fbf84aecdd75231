"""`tally pay`."""

import pytest

pytestmark = pytest.mark.e2e


def test_a_payment_arrives_and_is_receipted(tally_json, network, channel_id, alice_dir) -> None:
    before = int(network.channel(network.bob, channel_id)["paid"])
    memo = ["--memo", "coffee", "--receipt", "--dir", alice_dir]
    paid = tally_json("pay", channel_id[:12], "3gwei", *memo)
    assert paid["receipted"] is True
    assert int(paid["total"]) == before + 3 * 10**9
    assert int(network.channel(network.bob, channel_id)["paid"]) == before + 3 * 10**9


def test_a_repeated_request_pays_once(tally_json, network, channel_id, alice_dir) -> None:
    arguments = ["pay", channel_id, "7", "--request-id", "pay-once", "--receipt", "--dir"]
    first = tally_json(*arguments, alice_dir)
    assert tally_json(*arguments, alice_dir) == first


def test_a_person_is_told_the_total(tally, channel_id, alice_dir) -> None:
    result = tally("pay", channel_id, "5", "--dir", alice_dir)
    assert result.exit_code == 0
    assert "Paid 5 wei, on its way" in result.stdout
    receipted = tally("pay", channel_id, "5", "--receipt", "--dir", alice_dir)
    assert "receipted by the payee" in receipted.stdout


def test_what_cannot_be_paid_is_refused_by_name(tally_json, channel_id, alice_dir, bob_dir) -> None:
    cases = [
        (alice_dir, channel_id, "2eth", "AMOUNT_ABOVE_DEPOSIT"),
        (alice_dir, channel_id, "0", "AMOUNT_NOT_POSITIVE"),
        (bob_dir, channel_id, "1", "NOT_THE_PAYER"),
        (alice_dir, "0x" + "00" * 32, "1", "UNKNOWN_CHANNEL"),
    ]
    for directory, channel, amount, name in cases:
        refused = tally_json("pay", channel, amount, "--dir", directory, exit_code=1)
        assert refused["error"]["name"] == name
