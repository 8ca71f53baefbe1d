"""The least that a server can do."""
