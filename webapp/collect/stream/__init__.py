"""Hits on their way through Redis: into the stream, and out of it by the workers."""
