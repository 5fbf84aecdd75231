"""A secret key that somebody names on a command line: where it is, never the key itself.

What stands on a command line is shown to every user of the machine, and kept by shells. So a key is
a keystore, a file of hex digits, an environment variable or what is typed at a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from node.keys import KeystoreError, unlock
from protocols.crypto import Signer
from protocols.errors import ProtocolError

KEY_FILE_SIZE_BYTES_MAX = 65_536
"""As of a keystore; a file of digits has 70."""
ENVIRONMENT_PREFIX = "env:"
PROMPT = "-"

_HEX = re.compile("(0x)?[0-9a-fA-F]{64}", re.ASCII)


def secret_from(
    named: str,
    environment: Mapping[str, str],
    password: Callable[[str], str],
    ask: Callable[[], str],
) -> bytes:
    """The 32-byte secret behind a file's path, `env:NAME`, or `-` for a prompt.

    `password` is asked for a keystore's, by its path; `ask` for the digits themselves. Raises
    KeystoreError, also for a key given in so many words.
    """
    if _HEX.fullmatch(named):
        raise KeystoreError(
            "a secret key stands on the command line, where everybody on this machine can read it",
            "Take it for known to others. Name a file that holds a key, env:NAME, or - for a "
            "prompt",
        )
    if named == PROMPT:
        return _of_digits(ask().strip(), "what was typed")
    if named.startswith(ENVIRONMENT_PREFIX):
        name = named.removeprefix(ENVIRONMENT_PREFIX)
        if name not in environment:
            raise KeystoreError(
                f"there is no environment variable {name}", "Set it to the key in hex digits"
            )
        return _of_digits(environment[name].strip(), named)
    return _of_file(Path(named), password)


def _of_file(path: Path, password: Callable[[str], str]) -> bytes:
    try:
        if path.stat().st_size > KEY_FILE_SIZE_BYTES_MAX:
            raise KeystoreError(f"{path} is too large for a key", "Name the right file")
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise KeystoreError(f"{path} is no text", "Name the right file") from error
    except OSError as error:
        raise KeystoreError(
            f"the key file {path} cannot be read: {error.strerror}", "Name the right file"
        ) from error
    if text.startswith("{"):
        return unlock(path, password(str(path)))
    return _of_digits(text, str(path))


def _of_digits(text: str, source: str) -> bytes:
    advice = "Expected a keystore, or 64 hex digits"
    if _HEX.fullmatch(text) is None:
        raise KeystoreError(f"{source} holds no key", advice)
    secret = bytes.fromhex(text.removeprefix("0x"))
    try:
        Signer(secret)
    except ProtocolError as error:
        raise KeystoreError(f"{source} holds no secp256k1 key", advice) from error
    return secret
