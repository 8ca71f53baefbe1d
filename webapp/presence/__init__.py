"""Who is there: rooms and their sockets over all hosts, and who joins and leaves."""
