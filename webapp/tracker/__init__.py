"""The tracker: a script with which pages send their views and events to the collector."""
