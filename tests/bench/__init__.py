"""The bench: that it runs, and that what it counts is so."""
