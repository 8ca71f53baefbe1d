"""The server that the protocol's own test suite asks for, in numbers."""

NAMESPACES = ["/", "/custom"]
PING_INTERVAL = 0.3
PING_TIMEOUT = 0.2
MAX_PAYLOAD = 1_000_000
CONNECT_TIMEOUT = 1.0
