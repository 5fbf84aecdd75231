"""The offline audit: everything a log says, derived again and compared. Trusts no line of it.

`audit(path)` reads a data directory, also beside a running node, and returns an `AuditReport`.
"""

from node.audit.audit import audit
from node.audit.report import AuditReport, Finding

__all__ = ["AuditReport", "Finding", "audit"]
