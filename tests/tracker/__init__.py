"""Tests of the tracker: as it is sent, and in a real browser."""
