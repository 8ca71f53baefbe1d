"""Tests of keys, tokens and the gate."""
