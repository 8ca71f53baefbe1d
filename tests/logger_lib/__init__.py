"""Tests of the logger library."""
