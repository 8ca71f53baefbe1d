"""What the hits of an app add up to."""
