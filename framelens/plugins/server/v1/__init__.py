"""HTTP API for programs, version 1: FastAPI routes over the services that the page uses, behind API keys."""
