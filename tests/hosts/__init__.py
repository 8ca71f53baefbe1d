"""Several hosts that hear each other through Redis."""
