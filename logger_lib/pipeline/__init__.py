"""What stands between a logger and its destination: a buffer, batches, retries, dead letters."""
