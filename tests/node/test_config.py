"""Precedence, origins, and every way in which a configuration can be wrong."""

import dataclasses
from pathlib import Path

import pytest

from node.config import SETTINGS, ConfigError, load, rows
from node.limits import SNAPSHOT_INTERVAL_RECORD_COUNT
from protocols.types import checksum_address

ADJUDICATOR = bytes([0xAD]) * 20
PAYMENT_APP = bytes([0xAB]) * 20
CONSENSUS_APP = bytes([0xAC]) * 20
BOB = bytes([0xB0]) * 20

CHAIN = f"""[chain]
urls = ["ws://127.0.0.1:8545"]
chain_id = 31337
adjudicator = "{checksum_address(ADJUDICATOR)}"
virtual_payment_app = "{checksum_address(PAYMENT_APP)}"
consensus_app = "{checksum_address(CONSENSUS_APP)}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CHAIN)
    return tmp_path


def refusal(home: Path, **given: dict[str, str]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(home, environment=given.get("environment", {}), overrides=given.get("overrides"))
    return caught.value


def test_a_file_with_the_chain_alone_is_enough(home: Path) -> None:
    config = load(home, environment={})
    assert config.chain.urls == ("ws://127.0.0.1:8545",)
    assert config.chain.adjudicator == ADJUDICATOR
    assert config.chain.confirmation_count == 12
    assert config.policy.challenge_duration_s_min == 3600
    assert config.policy.challenge_duration_s_max == 7 * 86_400
    assert config.policy.default == "ask"
    assert config.p2p.listen == ("127.0.0.1", 7401)
    assert config.rpc.listen == ("127.0.0.1", 0)
    assert config.test.fault_points is False
    assert config.payments.share_vouchers is True
    assert config.store.snapshot_interval_records == SNAPSHOT_INTERVAL_RECORD_COUNT
    assert not config.p2p.peers
    assert (config.chain.message_log_app, config.chain.judged_apps) == (None, ())


def test_relative_paths_are_taken_from_the_configurations_directory(home: Path) -> None:
    config = load(home / "config.toml", environment={"TALLY_NODE_KEYSTORE": "keys/one.json"})
    assert config.home == home.resolve()
    assert config.node.data_dir == home.resolve() / "data"
    assert config.node.keystore == home.resolve() / "keys" / "one.json"
    assert config.token_path == home.resolve() / "rpc.token"
    assert config.rpc_file == home.resolve() / "rpc.json"


def test_flags_win_over_environment_over_file_over_defaults(home: Path) -> None:
    file = home / "config.toml"
    file.write_text(CHAIN + "confirmation_count = 3\n")
    name = "chain.confirmation_count"
    environment = {"TALLY_CHAIN_CONFIRMATION_COUNT": "4"}
    by_file = load(home, environment={})
    by_environment = load(home, environment=environment)
    by_flag = load(home, environment=environment, overrides={name: "5"})
    assert [c.chain.confirmation_count for c in (by_file, by_environment, by_flag)] == [3, 4, 5]
    assert by_file.origins[name] == f"file {file.resolve()}"
    assert by_environment.origins[name] == "environment TALLY_CHAIN_CONFIRMATION_COUNT"
    assert by_flag.origins[name] == "flag"
    assert by_flag.origins["node.name"] == "default"


@pytest.mark.parametrize("given", ["99", "1000001", "often", "-1000", ""])
def test_an_interval_of_snapshots_that_makes_no_sense_is_refused(home: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="snapshot_interval_records"):
        load(home, environment={"TALLY_STORE_SNAPSHOT_INTERVAL_RECORDS": given})


@pytest.mark.parametrize("which", ["min", "max"])
@pytest.mark.parametrize("given", ["0", "-1", "2592001", "a week"])
def test_a_challenge_duration_that_nobody_would_wait_for_is_refused(
    home: Path, which: str, given: str
) -> None:
    with pytest.raises(ConfigError, match=f"challenge_duration_s_{which}"):
        load(home, environment={f"TALLY_POLICY_CHALLENGE_DURATION_S_{which.upper()}": given})


def test_an_interval_of_snapshots_may_be_set(home: Path) -> None:
    (home / "config.toml").write_text(CHAIN + "[store]\nsnapshot_interval_records = 100\n")
    assert load(home, environment={}).store.snapshot_interval_records == 100


def test_a_list_from_the_environment_replaces_the_files_list(home: Path) -> None:
    config = load(home, environment={"TALLY_CHAIN_URLS": "ws://a:1,ws://b:2"})
    assert config.chain.urls == ("ws://a:1", "ws://b:2")


def test_peers_can_be_given_by_the_environment(home: Path) -> None:
    book = f"{checksum_address(BOB)}=127.0.0.1:9"
    config = load(home, environment={"TALLY_P2P_PEERS": book})
    assert config.p2p.peers == {BOB: ("127.0.0.1", 9)}


def test_the_configuration_cannot_be_changed(home: Path) -> None:
    config = load(home, environment={"TALLY_P2P_PEERS": f"{checksum_address(BOB)}=127.0.0.1:9"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.node.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.p2p.peers[ADJUDICATOR] = ("a", 1)  # type: ignore[index]


def test_the_environment_of_the_process_is_read_by_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_NODE_NAME", "carol")
    assert load(home).node.name == "carol"


def test_every_row_shows_the_key_a_json_value_and_an_origin(home: Path) -> None:
    shown = rows(load(home, environment={}))
    assert [name for name, _, _ in shown] == [setting.name for setting in SETTINGS]
    as_dict = {name: value for name, value, _ in shown}
    assert as_dict["chain.adjudicator"] == checksum_address(ADJUDICATOR)
    assert as_dict["rpc.listen"] == "127.0.0.1:0"


def test_rules_and_token_terms_come_from_the_file_or_from_one_line(home: Path) -> None:
    file = home / "config.toml"
    file.write_text(CHAIN + '[[policy.rules]]\nverdict = "deny"\nrole = "hub"\n')
    line = '[{ verdict = "allow", role = "payee" }]'
    by_file = load(home, environment={})
    by_environment = load(home, environment={"TALLY_POLICY_RULES": line})
    assert [rule.role for rule in by_file.policy.rules] == ["hub"]
    assert [rule.role for rule in by_environment.policy.rules] == ["payee"]
    as_dict = {name: value for name, value, _ in rows(by_file)}
    assert as_dict["policy.rules"] == [{"verdict": "deny", "role": "hub"}]
    assert (as_dict["hub.enabled"], as_dict["hub.capacity"]) == (False, None)


def test_a_wrong_rule_names_the_rule_and_the_reason(home: Path) -> None:
    (home / "config.toml").write_text(CHAIN + '[[policy.rules]]\nrole = "hub"\n')
    error = refusal(home)
    assert error.key == "policy.rules"
    assert "rule 1 has no verdict" in str(error)


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.default is None])
def test_a_missing_required_setting_is_named_with_its_variable(setting, tmp_path: Path) -> None:
    lines = [line for line in CHAIN.splitlines() if not line.startswith(setting.key + " ")]
    (tmp_path / "config.toml").write_text("\n".join(lines))
    error = refusal(tmp_path)
    assert error.key == setting.name
    assert setting.variable in error.next_step


def test_a_wrong_value_names_key_value_origin_and_reason(home: Path) -> None:
    error = refusal(home, environment={"TALLY_CHAIN_CHAIN_ID": "mainnet"})
    assert (error.key, error.value) == ("chain.chain_id", "mainnet")
    assert error.origin == "environment TALLY_CHAIN_CHAIN_ID"
    assert "whole number" in str(error)
    assert "'mainnet'" in str(error)


def test_a_very_long_value_is_shortened_in_the_message(home: Path) -> None:
    error = refusal(home, environment={"TALLY_NODE_NAME": "x" * 5000})
    assert len(str(error)) < 400


def test_toml_must_have_the_right_type(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CHAIN.replace("31337", '"31337"'))
    assert refusal(tmp_path).key == "chain.chain_id"


def test_the_owners_door_is_on_this_machine_alone_and_the_peers_is_where_one_likes(
    home: Path,
) -> None:
    error = refusal(home, environment={"TALLY_RPC_LISTEN": "0.0.0.0:7402"})
    assert error.key == "rpc.listen"
    assert "SSH tunnel" in str(error)
    config = load(home, environment={"TALLY_P2P_LISTEN": "0.0.0.0:7401"})
    assert config.p2p.listen == ("0.0.0.0", 7401)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[chain]\nurl = 'ws://a:1'", "chain.url"),
        ("[chian]\nurls = []", "[chian]"),
        ("chain = 5", "chain"),
        ("name = 'x'", "[name]"),
    ],
)
def test_unknown_keys_and_sections_are_refused(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert refusal(tmp_path).key == key


def test_a_misspelt_variable_is_refused_and_other_variables_are_left_alone(home: Path) -> None:
    assert refusal(home, environment={"TALLY_CHAIN_URL": "ws://a:1"}).key == "TALLY_CHAIN_URL"
    load(home, environment={"TALLY_PASSWORD": "x", "TALLY_DIR": "y", "TALLYHO": "z"})


def test_an_unknown_override_is_refused(home: Path) -> None:
    assert refusal(home, overrides={"chain.url": "x"}).origin == "flag"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    assert "tally init" in str(refusal(tmp_path / "nowhere.toml"))
    assert "tally init" in str(refusal(tmp_path))


@pytest.mark.parametrize("content", [b"[chain", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert "not TOML" in str(refusal(tmp_path))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "config.toml"
    directory.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(directory / "config.toml" / "x", environment={})
    assert caught.value.origin == "file"
