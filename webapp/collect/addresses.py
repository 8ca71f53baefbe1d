"""How much of a visitor's address is kept."""

import ipaddress
from functools import lru_cache

_LOST_BITS = 80
"""Of an IPv6 address that is truncated."""

KNOWN = 10_000
"""How many addresses are remembered: the same ones come again and again."""


@lru_cache(KNOWN)
def read_address(text: str) -> str:
    """Return the address in its usual form; raises ``ValueError``."""
    if "%" in text:
        raise ValueError("the zone of an address means something on its own host alone")
    address = ipaddress.ip_address(text)
    # A socket that listens on both families shows IPv4 clients as ::ffff:a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(KNOWN)
def truncated(address: str) -> str:
    """Return the network of ``address``, which is in its usual form: /24, of IPv6 /48."""
    if ":" not in address:
        return f"{address.rpartition('.')[0]}.0"
    bits = int(ipaddress.IPv6Address(address))
    return str(ipaddress.IPv6Address(bits >> _LOST_BITS << _LOST_BITS))


def client_address(remote: str | None) -> str | None:
    """Return the address that a call comes from; None: by a Unix socket."""
    try:
        return read_address((remote or "").partition("%")[0])
    except ValueError:
        return None
