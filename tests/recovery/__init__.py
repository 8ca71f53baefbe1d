"""Clients that drop and come back: what they missed they get, each event once."""
