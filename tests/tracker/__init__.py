"""Tests of who is there, and who joins and leaves."""
