"""Hits become rows, and what they add up to: one transaction a batch."""
