"""The gate and the services of the page's routes, which the plugin's routes share."""

from tests.api.conftest import client, gate, services

__all__ = ["client", "gate", "services"]
