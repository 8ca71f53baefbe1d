"""Socket.IO: who connects, which rooms they join, and how an event reaches them."""
