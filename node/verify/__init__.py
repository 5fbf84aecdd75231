"""Checking many signatures of few signers, and roots of receipts, on as many cores as there are.

Knows nothing of logs and channels: who must have signed what is claimed by others (`claims`), and
looked at here or by worker processes (`pool`, `worker`).
"""
