"""OpenAI's client for engines: chat, transcription and embeddings.

Importing it takes half a second; what needs it imports it on first use.
"""

from collections.abc import Mapping
from typing import Any

import openai

from app.core import remember_secret
from app.llm.http import engine_timeout, pooled_client


class EngineClient(openai.AsyncOpenAI):
    """OpenAI's client for an engine that may need no key, and gets no headers but those given here.

    The original adds an organisation, a project and further headers from the environment, and names the system it runs
    on. Nothing is sent twice: the caller decides.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(
            base_url=base_url,
            api_key=api_key or "none",  # the original refuses ""
            max_retries=0,
            timeout=engine_timeout(timeout_seconds),  # type: ignore[arg-type]  # it takes httpx as well as httpx2
            default_query=query,
            http_client=pooled_client(base_url),  # type: ignore[arg-type]
        )
        self.api_key, self.admin_api_key = api_key, None
        remember_secret(api_key)
        self._own_headers = dict(headers or {})

    @property
    def default_headers(self) -> dict[str, Any]:
        """Return the headers of every request, without the key."""
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
            **self._own_headers,
        }

    def _validate_headers(self, headers: Any, custom_headers: Any) -> None:
        """Accept a request without a key."""
