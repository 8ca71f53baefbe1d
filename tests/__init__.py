"""The tests of Herald."""
