"""Hosts that hear each other through Redis: what one publishes, the sockets of all get."""
