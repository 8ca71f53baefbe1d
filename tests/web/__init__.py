"""Publishing as its users see it: a real server, real HTTP, real sockets."""
