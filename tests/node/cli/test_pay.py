"""`tally pay`."""

from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.e2e


def test_a_payment_arrives_and_is_receipted(tally_json, network, channel_id, alice_dir) -> None:
    before = int(network.channel(network.alice, channel_id)["paid"])
    memo = ["--memo", "coffee", "--receipt", "--dir", alice_dir]
    paid = tally_json("pay", channel_id[:12], "3gwei", *memo)
    assert paid["receipted"] is True
    assert int(paid["total"]) == before + 3 * 10**9
    assert int(network.channel(network.bob, channel_id)["paid"]) == before + 3 * 10**9


def test_a_repeated_request_pays_once(tally_json, network, channel_id, alice_dir) -> None:
    arguments = ["pay", channel_id, "7", "--request-id", "pay-once", "--receipt", "--dir"]
    first = tally_json(*arguments, alice_dir)
    assert tally_json(*arguments, alice_dir) == first


@pytest.fixture
def bob_is_away(network) -> Iterator[None]:
    network.bob.stop()
    yield
    network.bob.start()


def test_a_payment_to_a_peer_who_is_away_is_recorded_and_never_in_doubt(
    tally, tally_json, network, channel_id, alice_dir, bob_is_away
) -> None:
    before = network.channel(network.alice, channel_id)
    arguments = ["pay", channel_id, "7gwei", "--receipt", "--timeout-s", "0.5", "--dir", alice_dir]
    told = tally_json(*arguments, exit_code=1)
    assert told["receipted"] is False
    assert told["error"]["name"] == "NO_RECEIPT_YET"
    assert told["error"]["retry_safe"] is False
    assert int(told["total"]) == int(before["paid"]) + 7 * 10**9
    # Asked again under its name it is the same payment.
    name = ["--request-id", told["request_id"]]
    again = tally_json(*arguments, *name, exit_code=1)
    assert (again["seq"], again["payment_id"]) == (told["seq"], told["payment_id"])
    result = tally(*arguments, *name)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "is recorded, no receipt yet" in result.stderr
    assert "Do not repeat it without the same --request-id tally-" in result.stderr
    after = network.channel(network.alice, channel_id)
    assert after["payment_count"] == before["payment_count"] + 1
    network.bob.start()
    try:
        receipted = tally_json("pay", channel_id, "7gwei", "--receipt", *name, "--dir", alice_dir)
    finally:
        network.bob.stop()
    assert receipted == {
        **{key: value for key, value in told.items() if key != "error"},
        "receipted": True,
    }


def test_every_payment_has_a_name_of_its_own(tally_json, channel_id, alice_dir) -> None:
    names = [tally_json("pay", channel_id, "1", "--dir", alice_dir)["request_id"] for _ in range(2)]
    assert len(set(names)) == 2


def test_a_person_is_told_the_total(tally, channel_id, alice_dir) -> None:
    result = tally("pay", channel_id, "5", "--dir", alice_dir)
    assert result.exit_code == 0
    assert "Paid 5 wei, on its way" in result.stdout
    receipted = tally("pay", channel_id, "5", "--receipt", "--dir", alice_dir)
    assert "receipted by the payee" in receipted.stdout


def test_too_much_is_told_in_the_units_of_the_command_line(tally, channel_id, alice_dir) -> None:
    # Less than the whole deposit is left, whichever test is the first of its network.
    assert tally("pay", channel_id, "1", "--dir", alice_dir).exit_code == 0
    refused = tally("pay", channel_id, "2eth", "--dir", alice_dir)
    assert refused.exit_code == 1
    assert "error: 2 ETH is above the 0.9" in refused.stderr


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


def test_a_list_of_payments_is_paid_at_once_and_receipted(
    tally_json, tally, network, channel_id, alice_dir, tmp_path
) -> None:
    # Nothing earlier waits for a receipt, and so for the one that the list gets.
    tally_json("pay", channel_id, "1", "--receipt", "--dir", alice_dir)
    before = network.channel(network.alice, channel_id)
    file = tmp_path / "wages.txt"
    file.write_text("3gwei Ann\n# a comment\n7 Ben, who is new\n1\n")
    arguments = ["pay", channel_id, "--batch", str(file), "--receipt", "--dir", alice_dir]
    paid = tally_json(*arguments, "--request-id", "wages")
    assert paid["receipted"] is True
    assert int(paid["total"]) == int(before["paid"]) + 3 * 10**9 + 8
    assert len(set(paid["payment_ids"])) == 3
    assert tally_json(*arguments, "--request-id", "wages") == paid
    shown = network.bob.call("payment_get", payment_id=paid["payment_ids"][1])
    assert (shown["amount"], shown["memo"], shown["direction"]) == (
        "7",
        "Ben, who is new",
        "received",
    )
    assert shown["receipt"]["payment_count"] == 3
    told = tally("pay", channel_id, "--batch", str(file), "--dir", alice_dir)
    assert "in 3 payments, on its way" in told.stdout


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([], "give an AMOUNT, or a list"),
        (["7", "--batch", "{file}"], "give an AMOUNT, or a list"),
        (["--batch", "{file}", "--memo", "tea"], "each payment has its memo"),
        (["--batch", "{file}"], "line 2"),
        (["--batch", "{file}.none"], "cannot be read"),
    ],
)
def test_what_is_no_list_of_payments_is_bad_usage(
    tally, channel_id, alice_dir, tmp_path, extra, reason
) -> None:
    file = tmp_path / "wages.txt"
    file.write_text("3gwei Ann\nmuch Ben\n")
    given = [text.replace("{file}", str(file)) for text in extra]
    refused = tally("pay", channel_id, *given, "--dir", alice_dir)
    assert refused.exit_code == 2
    # The box around it breaks its lines where the file's path happens to end.
    assert reason in " ".join(refused.stderr.replace("│", " ").split())
