"""Analytics, by their users."""
