"""The gate of the page's routes, over services that are installed for the page as well."""

from tests.api.conftest import client, gate

__all__ = ["client", "gate"]
