"""The node's key: an Ethereum keystore (version 3, scrypt), made and opened in a short-lived child.

scrypt needs about 300 MB and its libraries load slowly; both are gone with the child. Parent and
child talk over pipes, one JSON document each way: no secret and no password is ever in an argument,
in the child's environment or in a log. This module knows no configuration and signs nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.processes import our_environment, our_python
from node.unused_curves import leave_out

SCRYPT_N = 262_144
"""Work factor of `tally init`: 0.7 s and 300 MB, the format's usual strength."""
SCRYPT_N_WEAK = 4_096
"""Work factor of tests and of the demo, whose keys hold nothing: 10 ms."""
SCRYPT_N_MAX = 4_194_304
"""Above this a keystore would need gigabytes to open: it is damaged, or meant to harm."""
KEYSTORE_SIZE_BYTES_MAX = 65_536
"""A keystore is about 500 bytes."""
CHILD_TIMEOUT_S = 120.0
"""A slow machine derives a strong key in seconds."""

PASSWORD_VARIABLE = "TALLY_PASSWORD"
PASSWORD_FILE_VARIABLE = "TALLY_PASSWORD_FILE"


@dataclass
class KeystoreError(Exception):
    """Why there is no key, and what to do about it. Never shows a secret or a password."""

    reason: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.reason}. {self.next_step}"


class WrongPassword(KeystoreError):
    """The password does not open the keystore."""


def find_password(environment: Mapping[str, str], ask: Callable[[], str] | None = None) -> str:
    """The password from TALLY_PASSWORD, else the file TALLY_PASSWORD_FILE names, else `ask()`.

    One line end at the end of the file is not part of it. `KeystoreError` when there is none.
    """
    if PASSWORD_VARIABLE in environment:
        password, source = environment[PASSWORD_VARIABLE], PASSWORD_VARIABLE
    elif PASSWORD_FILE_VARIABLE in environment:
        source = environment[PASSWORD_FILE_VARIABLE]
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise KeystoreError(
                f"the password file {source} cannot be read: {reason}",
                f"Correct {PASSWORD_FILE_VARIABLE}",
            ) from error
        password = text.removesuffix("\n").removesuffix("\r")
    elif ask is not None:
        password, source = ask(), "the prompt"
    else:
        raise KeystoreError(
            "no password was given and there is no terminal to ask at",
            f"Set {PASSWORD_FILE_VARIABLE} to a file that holds it, or {PASSWORD_VARIABLE}",
        )
    if not password:
        raise KeystoreError(
            f"the password from {source} is empty", "Give one of at least a character"
        )
    return password


def create(
    path: Path, password: str, *, secret: bytes | None = None, scrypt_n: int = SCRYPT_N
) -> bytes:
    """Write a keystore for a new key, or for `secret`, readable by its owner alone.

    Returns the 20-byte address. Raises `KeystoreError`, also when `path` exists: a key is never
    written over.
    """
    request = {
        "action": "create",
        "password": password,
        "scrypt_n": scrypt_n,
        "secret": None if secret is None else secret.hex(),
    }
    reply = _ask_child(request, path)
    write_private(path, json.dumps(reply["keystore"], indent=2) + "\n")
    return bytes.fromhex(reply["address"])


def unlock(path: Path, password: str) -> bytes:
    """The 32-byte secret of the keystore at `path`; `WrongPassword` or another `KeystoreError`."""
    keystore = read_keystore(path)
    reply = _ask_child({"action": "unlock", "password": password, "keystore": keystore}, path)
    return bytes.fromhex(reply["secret"])


def read_keystore(path: Path) -> dict[str, Any]:
    """The keystore's document, checked for its form only; raises `KeystoreError`."""
    try:
        if path.stat().st_size > KEYSTORE_SIZE_BYTES_MAX:
            raise KeystoreError(f"{path} is too large for a keystore", "Name the right file")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeystoreError(
            f"the keystore {path} cannot be read: {error.strerror}",
            "Restore it from your backup, or make a new node with: tally init DIR",
        ) from error
    except ValueError as error:
        raise _not_a_keystore(path, "it is not JSON") from error
    if not isinstance(document, dict) or document.get("version") != 3:
        raise _not_a_keystore(path, "it is not of version 3")
    return document


def keystore_address(path: Path) -> bytes:
    """The 20-byte address the keystore says it is for. Needs no password; `unlock` checks it."""
    address = read_keystore(path).get("address")
    try:
        found = bytes.fromhex(str(address).removeprefix("0x"))
    except ValueError as error:
        raise _not_a_keystore(path, "its address is not hex") from error
    if len(found) != 20:
        raise _not_a_keystore(path, "it names no address")
    return found


def write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read; `KeystoreError` if it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeystoreError(
            f"{path} cannot be written: {error.strerror}", "Nothing is overwritten: use a new place"
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _not_a_keystore(path: Path, reason: str) -> KeystoreError:
    return KeystoreError(f"{path} is no Ethereum keystore: {reason}", "Name the right file")


def _run_child(request: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        our_python("node.keys"),
        input=request,
        capture_output=True,
        env=our_environment(),
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )


def _ask_child(request: dict[str, Any], path: Path) -> dict[str, Any]:
    """One request, one child, one reply."""
    try:
        done = _run_child(json.dumps(request).encode())
        reply = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise KeystoreError(
            f"deriving the key took longer than {CHILD_TIMEOUT_S:.0f} s", "Try on an idle machine"
        ) from error
    except ValueError as error:
        raise KeystoreError(
            f"the helper process for {path} failed (exit {done.returncode})",
            "It needs about 300 MB of free memory",
        ) from error
    if reply.get("error") == "wrong password":
        raise WrongPassword(f"the password does not open {path}", "Try another one")
    if "error" in reply:
        raise _not_a_keystore(path, reply["error"])
    return dict(reply)


# --- what runs in the child ---


def _create(request: dict[str, Any]) -> dict[str, Any]:
    import secrets

    from eth_keyfile.keyfile import create_keyfile_json

    from protocols.crypto import Signer
    from protocols.errors import ProtocolError

    # A random 256-bit number is no key once in 2**128; Signer refuses that one.
    given = request["secret"]
    secret = secrets.token_bytes(32) if given is None else bytes.fromhex(given)
    try:
        address = Signer(secret).address
    except ProtocolError as error:
        return {"error": f"not a secp256k1 secret key: {error}"}
    keystore = create_keyfile_json(
        secret, request["password"].encode(), kdf="scrypt", iterations=request["scrypt_n"]
    )
    return {"keystore": keystore, "address": address.hex()}


def _unlock(request: dict[str, Any]) -> dict[str, Any]:
    from eth_keyfile.keyfile import decode_keyfile_json

    from protocols.crypto import Signer
    from protocols.errors import ProtocolError

    keystore = request["keystore"]
    try:
        parameters = keystore["crypto"]["kdfparams"]
        if int(parameters.get("n", 0)) * int(parameters.get("r", 8)) > SCRYPT_N_MAX * 8:
            return {"error": "its work factor is out of all proportion"}
        secret = decode_keyfile_json(keystore, request["password"].encode())
        address = Signer(secret).address
    except ValueError as error:
        wrong = "MAC mismatch" in str(error)
        return {"error": "wrong password" if wrong else "its content is damaged"}
    except (KeyError, TypeError, AttributeError, NotImplementedError, ProtocolError) as error:
        return {"error": f"its content is damaged ({type(error).__name__})"}
    named = str(keystore.get("address", address.hex())).removeprefix("0x").lower()
    if named != address.hex():
        return {"error": f"it names the address 0x{named} but holds the key of 0x{address.hex()}"}
    return {"secret": secret.hex()}


def answer(request: bytes) -> bytes:
    """What the child replies. Only for a process that may hold the key and spend the memory."""
    leave_out()
    document = json.loads(request)
    reply = {"create": _create, "unlock": _unlock}[document["action"]](document)
    return json.dumps(reply).encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
