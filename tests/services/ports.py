"""Ports for servers that end and come back on the same one."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def lasting_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given.

    One of the kernel's own range may be taken by any connection while the server is away, also by
    the very one that asks whether it is back.
    """
    lowest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
