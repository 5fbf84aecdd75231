"""Where the password comes from when there is, or is not, a person at a terminal."""

import os

import pytest

from node.cli.password import forget_password, password_for
from node.keys import KeystoreError
from tests.support.terminal import at_a_terminal


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLY_PASSWORD", raising=False)
    monkeypatch.delenv("TALLY_PASSWORD_FILE", raising=False)
    with pytest.raises(KeystoreError, match="no terminal"):
        password_for("x", confirm=False)


def test_the_environments_password_is_used_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_PASSWORD", "secret")
    assert password_for("x", confirm=False) == "secret"
    forget_password()
    assert "TALLY_PASSWORD" not in os.environ
    forget_password()


ASK = "from node.cli.password import password_for; print(len(password_for('x', confirm={})))"


def test_at_a_terminal_the_password_is_asked_for_and_not_shown() -> None:
    shown = at_a_terminal(ASK.format(False), ["hunter2"])
    assert "Password for x" in shown
    assert "hunter2" not in shown
    assert shown.rstrip().endswith("7")


def test_a_new_password_is_asked_for_twice() -> None:
    shown = at_a_terminal(ASK.format(True), ["first", "secon", "same", "same"])
    assert shown.rstrip().endswith("4")
    assert "do not match" in shown
