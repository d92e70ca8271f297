"""Guard of addresses that may be connected to: public addresses, and private networks that the settings list.

The name in an address is resolved once, every address that it has is checked, and the client connects to a checked
address: a name that resolves differently a moment later (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable

from framelens.core.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_SHOWN = 200  # characters of a host in an error
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All global unicast addresses that IANA has allocated of IPv6; `ipaddress` knows the special ranges within."""
_NOT_GLOBAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
"""Special addresses that `ipaddress` takes for global in some of its versions (RFC 6890, 7526, 9637)."""


class AddressGuard:
    """Guard of the addresses of hosts.

    Args:
        private_networks: Networks that may be reached besides the public network, such as "10.0.0.0/8".
    """

    def __init__(self, private_networks: Iterable[str]) -> None:
        self._private = tuple(ipaddress.ip_network(private_network) for private_network in private_networks)

    def resolve(self, host: str, port: int) -> str:
        """Return an address of the host that may be reached.

        Raises:
            InputError: "host_unknown" or "address_private".
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise InputError("host_unknown", host=host[:_MOST_SHOWN]) from error
        addresses = [str(info[4][0]) for info in found]
        allowed = next((address for address in addresses if self._may_reach(address)), None)
        if allowed is None:
            raise InputError("address_private", host=host[:_MOST_SHOWN], address=addresses[0] if addresses else "")
        return allowed

    def _may_reach(self, address: str) -> bool:
        real = _real(ipaddress.ip_address(address.partition("%")[0]))
        return _is_global(real) or any(real in network for network in self._private)


def _is_global(address: Address) -> bool:
    """Return whether an address belongs to the public network, and to a single machine there."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in one for one in _NOT_GLOBAL)


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains (mapped, 6to4, Teredo or NAT64), else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
