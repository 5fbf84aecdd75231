"""Objectives: goals run to their end by cranking; each file holds one, crank and apply side by side."""
