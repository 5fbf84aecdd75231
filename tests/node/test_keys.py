"""Keystores: round trips, wrong passwords, damaged files, and that no secret shows anywhere."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node import keys
from node.keys import SCRYPT_N_WEAK, KeystoreError, WrongPassword
from protocols.crypto import Signer

SECRET = bytes(range(1, 33))
PASSWORD = "correct horse"

# The scrypt example of the Web3 Secret Storage definition: password "testpassword".
PUBLISHED = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "r": 1,
            "p": 8,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
PUBLISHED_SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keystore.json"
    keys.create(path, PASSWORD, secret=SECRET, scrypt_n=SCRYPT_N_WEAK)
    return path


@pytest.fixture
def keystore(created: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, with the mode it was made with."""
    return Path(shutil.copy2(created, tmp_path))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's work in this process: for what is wrong with a keystore, not with a child."""

    def run(request: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, keys.answer(request), b"")

    monkeypatch.setattr(keys, "_run_child", run)


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_locked_is_unlocked(keystore: Path) -> None:
    assert keys.unlock(keystore, PASSWORD) == SECRET
    assert keys.keystore_address(keystore) == Signer(SECRET).address


@pytest.mark.usefixtures("here")
def test_a_new_key_is_random_and_fits_its_address(tmp_path: Path) -> None:
    addresses = [keys.create(tmp_path / name, "päss wörd", scrypt_n=SCRYPT_N_WEAK) for name in "ab"]
    assert addresses[0] != addresses[1]
    assert Signer(keys.unlock(tmp_path / "a", "päss wörd")).address == addresses[0]


@pytest.mark.slow
def test_the_published_keystore_opens(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    path.write_text(json.dumps(PUBLISHED))
    assert keys.unlock(path, "testpassword").hex() == PUBLISHED_SECRET


@pytest.mark.usefixtures("here")
def test_only_the_owner_can_read_a_keystore_and_it_is_never_overwritten(keystore: Path) -> None:
    before = keystore.read_bytes()
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    with pytest.raises(KeystoreError, match="Nothing is overwritten"):
        keys.create(keystore, PASSWORD, scrypt_n=SCRYPT_N_WEAK)
    assert keystore.read_bytes() == before


def test_the_work_factor_is_written_into_the_keystore(keystore: Path) -> None:
    parameters = json.loads(keystore.read_text())["crypto"]["kdfparams"]
    assert parameters["n"] == SCRYPT_N_WEAK
    assert keys.SCRYPT_N == 2**18


def test_a_wrong_password_is_its_own_error_and_is_not_shown(keystore: Path) -> None:
    with pytest.raises(WrongPassword) as caught:
        keys.unlock(keystore, "battery staple")
    assert "battery" not in str(caught.value)
    assert str(keystore) in str(caught.value)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "secret", [bytes(32), b"\xff" * 32, b"\x01" * 31], ids=["zero", "too-large", "short"]
)
def test_what_is_no_secp256k1_key_is_refused(tmp_path: Path, secret: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        keys.create(tmp_path / "k", PASSWORD, secret=secret, scrypt_n=SCRYPT_N_WEAK)
    assert secret.hex() not in str(caught.value)
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 4}', "\udcff"], ids=["empty", "list", "none", "v4", "raw"]
)
def test_a_file_that_is_no_keystore_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(KeystoreError, match="no Ethereum keystore"):
        keys.unlock(path, PASSWORD)


def test_a_missing_or_huge_keystore_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot be read"):
        keys.unlock(tmp_path / "none", PASSWORD)
    (tmp_path / "huge").write_bytes(b" " * 70_000)
    with pytest.raises(KeystoreError, match="too large"):
        keys.unlock(tmp_path / "huge", PASSWORD)


@pytest.mark.usefixtures("here")
def test_a_keystore_that_names_another_address_is_refused(keystore: Path) -> None:
    rewrite(keystore, address="00" * 20)
    with pytest.raises(KeystoreError, match="names the address"):
        keys.unlock(keystore, PASSWORD)


@pytest.mark.parametrize("address", ["zz", "00", None])
def test_an_address_that_is_none_is_refused(keystore: Path, address: str | None) -> None:
    rewrite(keystore, address=address)
    with pytest.raises(KeystoreError, match="address"):
        keys.keystore_address(keystore)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "crypto",
    [
        None,
        {},
        {"kdf": "scrypt", "kdfparams": {"n": 3, "r": 8, "p": 1, "dklen": 32, "salt": "00"}},
        {"kdf": "other", "kdfparams": {}, "mac": "00", "ciphertext": "00"},
    ],
)
def test_damaged_content_is_refused(keystore: Path, crypto: object) -> None:
    rewrite(keystore, crypto=crypto)
    with pytest.raises(KeystoreError, match="damaged"):
        keys.unlock(keystore, PASSWORD)


@pytest.mark.usefixtures("here")
def test_a_keystore_that_would_need_gigabytes_is_refused(keystore: Path) -> None:
    crypto = json.loads(keystore.read_text())["crypto"]
    crypto["kdfparams"]["n"] = 2**30
    rewrite(keystore, crypto=crypto)
    with pytest.raises(KeystoreError, match="work factor"):
        keys.unlock(keystore, PASSWORD)


def test_a_child_that_dies_is_an_error_with_a_reason(
    keystore: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(KeystoreError, match="exit 1"):
        keys.unlock(keystore, PASSWORD)


def test_the_childs_arguments_and_environment_hold_no_secret(
    keystore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    spy = tmp_path / "python"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\nenv >> {seen}\n')
    spy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spy))
    monkeypatch.setenv("TALLY_PASSWORD", PASSWORD)
    with pytest.raises(KeystoreError):
        keys.unlock(keystore, PASSWORD)
    text = seen.read_text()
    assert "node.keys" in text
    assert PASSWORD not in text
    assert SECRET.hex() not in text


def test_the_child_answers_in_documents() -> None:
    created = keys._create(
        {"secret": SECRET.hex(), "password": PASSWORD, "scrypt_n": SCRYPT_N_WEAK}
    )
    assert created["address"] == Signer(SECRET).address.hex()
    keystore = created["keystore"]
    assert keys._unlock({"keystore": keystore, "password": PASSWORD}) == {"secret": SECRET.hex()}
    assert keys._unlock({"keystore": keystore, "password": "x"}) == {"error": "wrong password"}
    assert (
        "secp256k1" in keys._create({"secret": "00" * 32, "password": "", "scrypt_n": 2})["error"]
    )
    elsewhere = {**keystore, "address": "00" * 20}
    assert (
        "names the address" in keys._unlock({"keystore": elsewhere, "password": PASSWORD})["error"]
    )
    assert "damaged" in keys._unlock({"keystore": {"crypto": {}}, "password": PASSWORD})["error"]
    large = {"crypto": {"kdfparams": {"n": 2**40}}}
    assert "work factor" in keys._unlock({"keystore": large, "password": PASSWORD})["error"]
    request = json.dumps({"action": "unlock", "keystore": keystore, "password": PASSWORD})
    assert json.loads(keys.answer(request.encode())) == {"secret": SECRET.hex()}


def test_the_parent_never_loads_the_heavy_libraries() -> None:
    probe = "import sys, node.keys; print([m for m in sys.modules if m.startswith('eth_')])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_childs_package_is_ours_wherever_the_caller_stands(
    keystore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "__init__.py").write_text("")
    (tmp_path / "node" / "keys.py").write_text('print(\'{"secret": "00"}\')')
    monkeypatch.chdir(tmp_path)
    assert keys.unlock(keystore, PASSWORD) == SECRET


def test_the_password_comes_from_variable_file_or_prompt_in_this_order(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    by_file = {"TALLY_PASSWORD_FILE": str(file)}
    assert keys.find_password({**by_file, "TALLY_PASSWORD": "direct"}, lambda: "x") == "direct"
    assert keys.find_password(by_file, lambda: "x") == "from file"
    assert keys.find_password({}, lambda: "asked") == "asked"


def test_only_one_line_end_is_cut_from_a_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b" two \n\r\n")
    assert keys.find_password({"TALLY_PASSWORD_FILE": str(file)}) == " two \n"


def test_no_password_at_all_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="TALLY_PASSWORD_FILE"):
        keys.find_password({})
    with pytest.raises(KeystoreError, match="cannot be read"):
        keys.find_password({"TALLY_PASSWORD_FILE": str(tmp_path / "none")})
    (tmp_path / "raw").write_bytes(b"\xff")
    with pytest.raises(KeystoreError, match="UTF-8"):
        keys.find_password({"TALLY_PASSWORD_FILE": str(tmp_path / "raw")})
    for environment in ({"TALLY_PASSWORD": ""}, {"TALLY_PASSWORD_FILE": os.devnull}):
        with pytest.raises(KeystoreError, match="empty"):
            keys.find_password(environment)
