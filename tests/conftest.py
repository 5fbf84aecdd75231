"""What tests of several folders share: the interpreter that forks their daemons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.warm_python import WarmPython


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    """Starts the daemons of the end-to-end tests, one interpreter for all that a worker runs."""
    # Imported here: most tests start no daemon, and what this loads of a node takes a while.
    from tests.support.warm_python import warm_python

    with warm_python(tmp_path_factory.mktemp("warm")) as running:
        yield running
