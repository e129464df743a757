"""Decide which hosts a sandbox may reach: names by exact rules, addresses after they were resolved. Pure.

A name matches as a whole: `example.org` stands for itself, `.example.org` and `*.example.org` for every name
below it. Case and one dot at the end do not count. Addresses in place of names are never allowed. A name that
resolves to an address of this machine or of its networks is refused, in whatever way IPv6 wraps it.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

PORTS = (443, 80)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST = 253
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


def host_name(text: str) -> str | None:
    """Return the name in lower case and without the dot at its end; None if `text` is no name of a host.

    An address is no name, in any spelling that a resolver takes for one (`127.1`, `0x7f000001`). Names in other
    scripts are written as they travel (`xn--…`).
    """
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    # Resolvers take such names for addresses; a real top-level domain is never numeric.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return None
    return name


class Target(msgspec.Struct, frozen=True):
    """A host and port to connect to."""

    host: str
    port: int


class HostList(msgspec.Struct, frozen=True):
    """The hosts that one project's sandboxes may reach. `model` is exempt from all other rules.

    An owner's settings name the model's address, so that it may be a gateway on a private network.
    `mirrors` are hosts that this machine's package tools are set to, each on its port. They may lie in a
    private network, but not on this machine.
    """

    names: Sequence[str] = ()
    model: Target | None = None
    mirrors: Sequence[Target] = ()

    def has(self, name: str) -> bool:
        """Whether a normal name (`host_name`) is listed."""
        return any(_matches(pattern, name) for pattern in self.names)


def _matches(pattern: str, name: str) -> bool:
    pattern = pattern.lower().removesuffix(".")
    below = pattern.removeprefix("*")
    return name.endswith(below) and len(name) > len(below) if below.startswith(".") else name == pattern


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet: to nothing of this machine or its networks."""
    # A link-local address may come with the name of its interface (`fe80::1%eth0`).
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def is_in_private_network(text: str) -> bool:
    """Whether an IP address belongs to a private network, and to neither this machine nor its nearest link."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and (inner := _embedded(address)) is not None:
        return is_in_private_network(str(inner))
    return any(address in network for network in _PRIVATE)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to `address` end at, if there is one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
