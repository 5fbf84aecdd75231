"""The owner's token: made for the owner alone, compared whole."""

import stat
from pathlib import Path

import pytest

from node.rpc.token import (
    TokenUnusable,
    create_token,
    is_authorized,
    load_or_create_token,
    read_token,
)

TOKEN = "T" * 43


def test_a_new_token_is_readable_by_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "rpc.token"
    token = create_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token) == 43
    assert read_token(path) == token


def test_two_tokens_differ(tmp_path: Path) -> None:
    assert create_token(tmp_path / "a") != create_token(tmp_path / "b")


def test_a_token_in_use_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rpc.token"
    token = create_token(path)
    with pytest.raises(FileExistsError):
        create_token(path)
    assert load_or_create_token(path) == token


def test_a_missing_token_is_made_on_the_first_load(tmp_path: Path) -> None:
    path = tmp_path / "rpc.token"
    assert load_or_create_token(path) == read_token(path)


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rpc.token"
    create_token(path)
    path.chmod(0o640)
    with pytest.raises(TokenUnusable, match="chmod 600"):
        read_token(path)


@pytest.mark.parametrize("text", ["", "short", "x" * 20 + " " + "x" * 20, "é" * 40])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rpc.token"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(TokenUnusable):
        read_token(path)


def test_a_token_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(TokenUnusable, match="cannot read"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_token_opens_under_the_bearer_scheme(header: str) -> None:
    assert is_authorized(header.encode(), TOKEN)


@pytest.mark.parametrize(
    "header",
    ["", TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
def test_nothing_else_opens(header: str) -> None:
    assert not is_authorized(header.encode(), TOKEN)


def test_bytes_outside_ascii_do_not_open() -> None:
    assert not is_authorized(b"Bearer \xff\xfe", TOKEN)
