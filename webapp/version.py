"""Herald's version, which ``pyproject.toml`` has too: it runs where it was not installed."""

VERSION = "0.1.0"
