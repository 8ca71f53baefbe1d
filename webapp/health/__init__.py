"""Health: whether the process lives, and whether it should be given work."""
