"""Objectives: goals run to their end by cranking; one file each, crank and messages together."""
