"""Keys on a command line: named by where they are, and never taken from the line itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from node import keys
from node.keys import SCRYPT_N_WEAK, KeystoreError, WrongPassword
from node.secret_keys import KEY_FILE_SIZE_BYTES_MAX, secret_from

SECRET = bytes(range(1, 33))
DIGITS = SECRET.hex()


def found(named: object, typed: str = "", password: str = "pass", **environment: str) -> bytes:
    return secret_from(str(named), environment, lambda path: password, lambda: typed)


def test_a_file_of_digits_holds_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text in (DIGITS, f"0x{DIGITS}\n", DIGITS.upper()):
        path.write_text(text)
        assert found(path) == SECRET


def test_a_keystore_is_opened_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    keys.create(path, "pass", secret=SECRET, scrypt_n=SCRYPT_N_WEAK)
    assert found(path) == SECRET
    with pytest.raises(WrongPassword):
        found(path, password="other")


def test_a_variable_or_a_prompt_gives_a_key() -> None:
    assert found("env:GAS_KEY", GAS_KEY=f"0x{DIGITS}") == SECRET
    assert found("-", typed=f" {DIGITS}\n") == SECRET


@pytest.mark.parametrize("text", [DIGITS, f"0x{DIGITS}"])
def test_a_key_on_the_line_itself_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeystoreError) as refused:
        found(text)
    assert DIGITS not in str(refused.value)


def test_what_is_no_key_is_refused_by_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("00" * 32)
    with pytest.raises(KeystoreError, match="secp256k1"):
        found(path)
    path.write_text("1234")
    with pytest.raises(KeystoreError, match="holds no key"):
        found(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeystoreError, match="no text"):
        found(path)
    path.write_text(" " * (KEY_FILE_SIZE_BYTES_MAX + 1))
    with pytest.raises(KeystoreError, match="too large"):
        found(path)
    with pytest.raises(KeystoreError, match="cannot be read"):
        found(tmp_path / "nothing")
    with pytest.raises(KeystoreError, match="no environment variable"):
        found("env:NO_SUCH_KEY")
