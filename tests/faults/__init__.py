"""Faults, injected for real, and what becomes of what was acknowledged meanwhile."""
