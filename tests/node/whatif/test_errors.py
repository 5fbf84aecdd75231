"""How a simulation ends early."""

from node.whatif.errors import TooLarge


def test_it_says_what_was_too_much() -> None:
    error = TooLarge("5 events", "4")
    assert (str(error), error.what, error.limit) == ("5 events, the most is 4", "5 events", "4")
