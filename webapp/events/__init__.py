"""Publishing: an event is taken, validated, handed to the sockets and logged."""
