"""Tallystick's pure core: what is agreed, signed and recorded. No IO, clock, randomness or logging."""
