from __future__ import annotations

import re

from node.p2p import errors
from node.p2p.errors import FrameTooLarge, FramingFault, PeerError
from node.p2p.limits import ERROR_CODE_LENGTH_MAX


def all_errors(root: type[PeerError] = PeerError) -> list[type[PeerError]]:
    return [root] + [found for sub in root.__subclasses__() for found in all_errors(sub)]


def test_every_error_has_a_code_of_its_own_that_fits_the_error_frame() -> None:
    codes = [error.code for error in all_errors()]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"[a-z_]+", c) and len(c) <= ERROR_CODE_LENGTH_MAX for c in codes)


def test_an_error_keeps_its_reason_and_a_fault_its_size() -> None:
    fault = FrameTooLarge("a frame announces 9 bytes", 9)
    assert (str(fault), fault.reason, fault.size_bytes) == (fault.reason, fault.args[0], 9)
    assert isinstance(fault, FramingFault)


def test_the_tree_in_the_docstring_names_the_branches() -> None:
    assert errors.__doc__ is not None
    for branch in PeerError.__subclasses__():
        assert branch.__name__ in errors.__doc__
