"""Hits: taken in, buffered, and written in batches."""
