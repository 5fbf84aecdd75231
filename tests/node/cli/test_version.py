"""`tally version`."""

from importlib.metadata import version


def test_the_version_is_the_packages(tally, tally_json) -> None:
    assert tally_json("version")["tallystick"] == version("tallystick")
    assert version("tallystick") in tally("version").stdout
