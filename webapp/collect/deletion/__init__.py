"""Hits that go: when they are old, or when their user is erased."""
