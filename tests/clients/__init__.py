"""Tests of the clients that the documents have people paste."""
