"""What a checker raises."""


class Violation(BaseException):
    """A rule was broken; which checker saw it, and what it saw.

    No Exception: nothing on its way up may take it for an error of its own.
    """

    def __init__(self, checker: str, what: str) -> None:
        super().__init__(f"{checker}: {what}")
        self.checker = checker
        self.what = what


def require(checker: str, holds: object, what: str, *values: object) -> None:
    """Raise unless it holds; `values` are shown behind `what`."""
    if not holds:
        shown = ", ".join(v.hex()[:16] if isinstance(v, bytes) else str(v) for v in values)
        raise Violation(checker, f"{what}: {shown}" if values else what)
