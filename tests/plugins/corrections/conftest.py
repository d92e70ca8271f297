"""The fixtures of the routes."""

from tests.api.conftest import client, gate, services  # noqa: F401
