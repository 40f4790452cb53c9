"""Which addresses pictures may be fetched from: those of the public internet, and what was opened by name.

Whoever lists items chooses their URIs. Without this check they could have a worker ask services inside its own network,
such as a cloud's metadata server. The check is on what a name resolves to, at the moment of connecting, so neither a
redirect nor a name that resolves differently the second time gets round it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ruiji_server.domain.errors import Reason
from ruiji_server.embedding.pictures.failures import PictureRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressPolicy:
    """Public addresses, and the hosts and networks that were opened besides."""

    def __init__(self, opened: Sequence[str] = ()) -> None:
        """Read what is opened.

        Args:
            opened: host names, such as `images.internal`, and networks, such as `10.1.0.0/16` or `127.0.0.1`.

        Raises:
            ValueError: one of them is neither.
        """
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        for entry in opened:
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError as error:
                if "/" in entry or ":" in entry or not entry.strip("."):
                    raise ValueError(f"{entry!r} is neither a host name nor a network such as 10.1.0.0/16") from error
                self._hosts.add(_name(entry))

    def trusts(self, host: str) -> bool:
        """Return whether a host was opened by its name, wherever it lies."""
        return _name(host) in self._hosts

    def permits(self, address: str) -> bool:
        """Return whether an address, in its usual notation, may be connected to."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if any(parsed in network for network in self._networks):
            return True
        return all(_is_public(meant) for meant in _meant(parsed))

    def refusal(self, host: str) -> PictureRefused:
        """Return the refusal of a host."""
        return PictureRefused(
            Reason.PICTURE_ADDRESS_REFUSED,
            f"{host[:200]!r} is not on the public internet; --picture-private opens hosts and networks of your own",
        )


def is_address(host: str) -> bool:
    """Return whether a URL's host is an address, which no resolver sees."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_public(address: Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or site_local
    )


def _meant(address: Address) -> list[Address]:
    """Return where a connection ends: a gateway passes those to some IPv6 addresses on to the IPv4 one inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, *([address.sixtofour] if address.sixtofour else ()), *(address.teredo or ())]


def _name(host: str) -> str:
    return host.rstrip(".").lower()
