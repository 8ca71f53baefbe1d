"""The collector: hits taken in, written in batches, kept in step with their sums."""
