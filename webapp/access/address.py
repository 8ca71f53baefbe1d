"""By which name limits know where a call comes from."""

import ipaddress
from functools import lru_cache

THIS_HOST = "this host"
"""Whoever calls by a Unix socket."""


@lru_cache(maxsize=10_000)
def address_group(address: str | None) -> str:
    """Return the address; of IPv6 its network of 64 bits, all of which is one household's to use.

    Else a household would have 2^64 times what a limit grants to an address.
    """
    if not address:
        return THIS_HOST
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
