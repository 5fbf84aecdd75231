"""The owner's bearer token: 32 random bytes in DIR/rpc.token, readable by the owner alone.

Whoever reads the file may spend the node's money, so it is made with mode 0600 from the start
and compared in constant time. Named, scoped and revocable tokens are not known here.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

TOKEN_SIZE_BYTES = 32
"""Randomness of a token; its text is 43 characters of base64url."""
TOKEN_LENGTH_MIN = 32
"""Characters: a shorter text is not one of ours, and could be guessed."""

_SCHEME = b"bearer "


class TokenUnusable(Exception):
    """The token's file cannot serve; the text says why and what to do."""


def create_token(path: Path) -> str:
    """Write a fresh token to `path` with mode 0600 and return it.

    Raises `FileExistsError` if the file is there: a token in use is never replaced silently.
    """
    token = secrets.token_urlsafe(TOKEN_SIZE_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def read_token(path: Path) -> str:
    """The token in `path`; `TokenUnusable` if others may read the file or it holds no token."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnusable(f"cannot read the token in {path}: {error}") from error
    if mode & 0o077:
        raise TokenUnusable(f"{path} has mode {mode:04o}: others may read it; chmod 600 {path}")
    if len(text) < TOKEN_LENGTH_MIN or any(c.isspace() for c in text):
        raise TokenUnusable(f"{path} holds no token; delete it and let the node make one")
    return text


def load_or_create_token(path: Path) -> str:
    """The token in `path`, made if there is no file; `TokenUnusable` as for `read_token`."""
    try:
        return create_token(path)
    except FileExistsError:
        return read_token(path)


def is_authorized(header: bytes, token: str) -> bool:
    """Whether an Authorization header's value carries the token, in constant time."""
    scheme, credentials = header[: len(_SCHEME)], header[len(_SCHEME) :].strip()
    same = secrets.compare_digest(credentials, token.encode("ascii"))
    return scheme.lower() == _SCHEME and same
