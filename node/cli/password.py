"""The password, from the environment or from the person at the terminal."""

import os
import sys
from collections.abc import Callable

import typer


def password_for(what: str, *, confirm: bool) -> str:
    """TALLY_PASSWORD, TALLY_PASSWORD_FILE, or a prompt that shows nothing; `KeystoreError` else."""
    from node.keys import find_password

    def prompt() -> str:
        return str(
            typer.prompt(
                f"Password for {what}", hide_input=True, confirmation_prompt=confirm, err=True
            )
        )

    ask: Callable[[], str] | None = prompt if sys.stdin.isatty() else None
    return find_password(os.environ, ask)


def forget_password() -> None:
    """Take it out of our environment, which every child and every crash report would show."""
    from node.keys import PASSWORD_VARIABLE

    os.environ.pop(PASSWORD_VARIABLE, None)
