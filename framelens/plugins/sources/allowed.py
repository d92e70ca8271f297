"""Private addresses that the operator has allowed on the page, besides those of the settings."""

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from framelens.plugin import requires
from framelens.plugin.links import SourceSettings
from framelens.plugin.storage import ModelRecords

_OWN = tuple(
    map(ipaddress.ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)
"""This machine, and the networks of RFC 1918 and RFC 4193; not link-local networks, where clouds keep metadata."""


def operator_sources(sources: SourceSettings, data_dir: Path) -> SourceSettings:
    """Return the settings of links with the addresses that the operator has allowed. Raises StorageError."""
    return replace(sources, private_networks=(*sources.private_networks, *allowed_addresses(data_dir)))


def allowed_addresses(data_dir: Path) -> tuple[str, ...]:
    """Return the addresses that the operator has allowed on the page, as networks. Raises StorageError."""
    return tuple(_records(data_dir).all())


def may_allow(address: str) -> bool:
    """Return whether an address is of this machine or of a private network, which the operator may allow by itself."""
    try:
        return any(ipaddress.ip_address(address) in network for network in _OWN)
    except ValueError:  # a name without an address
        return False


@requires("administrator")
def allow(data_dir: Path, address: str) -> None:
    """Let the operator's links reach this address from now on.

    Raises:
        InputError: "role_administrator".
        StorageError: It can't be kept.
    """
    if may_allow(address):
        _records(data_dir).save(str(ipaddress.ip_network(address)), datetime.now(UTC).isoformat())


def _records(data_dir: Path) -> ModelRecords[str]:
    return ModelRecords(data_dir, "allowed_addresses", str)
