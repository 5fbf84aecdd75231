"""`tally config show`: every value and where it came from."""

from pathlib import Path

import pytest

from tests.node.test_config import CHAIN


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CHAIN)
    return tmp_path


def test_flags_environment_file_and_defaults_are_told_apart(tally_json, home: Path) -> None:
    shown = tally_json(
        *("config", "show", "-c", home, "--set", "node.name=flagged"),
        TALLY_CHAIN_CONFIRMATION_COUNT="7",
    )
    assert shown["config"] == str(home / "config.toml")
    settings = shown["settings"]
    assert settings["node.name"] == {"value": "flagged", "origin": "flag"}
    assert settings["chain.confirmation_count"] == {
        "value": 7,
        "origin": "environment TALLY_CHAIN_CONFIRMATION_COUNT",
    }
    assert settings["chain.chain_id"]["origin"] == f"file {home / 'config.toml'}"
    assert settings["policy.default"] == {"value": "ask", "origin": "default"}


def test_people_get_a_table(tally, home: Path) -> None:
    result = tally("config", "show", TALLY_DIR=str(home))
    assert result.exit_code == 0
    assert "policy.challenge_duration_s_min" in result.stdout
    assert "policy.challenge_duration_s_max" in result.stdout
    assert "ws://127.0.0.1:8545" in result.stdout
    assert "default" in result.stdout


def test_a_wrong_configuration_is_one_error(tally_json, home: Path) -> None:
    refused = tally_json("config", "show", "-c", home, "--set", "chain.nonsense=1", exit_code=1)
    assert refused["error"]["name"] == "CONFIG_ERROR"
    assert "chain.nonsense" in refused["error"]["message"]


def test_a_setting_without_a_value_is_bad_usage(tally, home: Path) -> None:
    assert tally("config", "show", "-c", home, "--set", "node.name").exit_code == 2
