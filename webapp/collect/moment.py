"""Times of hits, as they are told."""

from datetime import UTC, datetime


def moment_text(at: int) -> str:
    """Return a time in ms since 1970 in UTC, as ISO 8601 has it."""
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"
