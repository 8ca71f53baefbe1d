"""Run by ``test_what_a_start_loads``: looks a name up at a server of names that never answers."""

from webapp.patching import patch

patch()

import socket  # noqa: E402 - everything comes after the patch
import sys  # noqa: E402

import eventlet  # noqa: E402

_RESOLVER = "eventlet.support.greendns"


def main() -> None:
    """Print ``went on`` where the loop had its turns while the name was looked up."""
    assert _RESOLVER not in sys.modules
    assert socket.getaddrinfo("localhost", 80)
    resolver = sys.modules[_RESOLVER].resolver
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver._resolver.nameservers = ["127.0.0.1"]
        resolver._resolver.port = silent.getsockname()[1]
        looking = eventlet.spawn(socket.gethostbyname, "herald.example.")
        silent.recv(512)
        for _ in range(10):
            eventlet.sleep(0)
        assert not looking.dead
        looking.kill()
    print("went on")


if __name__ == "__main__":
    main()
