"""Failures have names that nodes compare, and words for people."""

from node.views.errors import (
    CacheUnsafe,
    Failure,
    ModuleRefused,
    ReducerFailed,
    StampMismatch,
    ViewBroken,
    ViewError,
)
from tests.support.hostile import ALL

UNREACHED = {
    # Walls behind a wall: each is held against `Authoriser` or `Instance` itself.
    Failure.SQL_REFUSED,
    Failure.TRAP_OTHER,
    Failure.SQL_CHANGES,
    # Of applications, above views: tests/node/apps/test_payouts.py.
    Failure.PAYOUTS_UNBALANCED,
}


def test_every_error_of_a_view_says_what_it_is_about() -> None:
    errors = [
        ModuleRefused(Failure.MODULE_START, "why"),
        ReducerFailed(Failure.OUT_OF_FUEL, "why"),
        StampMismatch("here", "engine", "old", "new"),
        CacheUnsafe("here", "why"),
        ViewBroken("here", "why"),
    ]
    assert all(isinstance(error, ViewError) for error in errors)
    assert [str(error) for error in errors] == [
        "reducer refused, module-has-start-function: why",
        "out-of-fuel: why",
        "the view at here has engine old, not new: remove it and derive it anew from its messages",
        "compiled reducers are not kept in here: why",
        "the view at here cannot go on: why. Open it again",
    ]


def test_names_are_plain_and_differ() -> None:
    names = [failure.value for failure in Failure]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)


def test_every_failure_has_a_reducer_that_ends_with_it() -> None:
    assert {hostile.failure for hostile in ALL} == set(Failure) - UNREACHED
