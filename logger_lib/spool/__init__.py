"""The queue on disk for what a destination does not take now."""
