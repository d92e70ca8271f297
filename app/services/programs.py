"""What the HTTP API does in the background for programs, in the process that serves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.services.submissions import Submissions
from app.services.webhooks import Webhooks

if TYPE_CHECKING:
    from app.services.container import Services


@dataclass(frozen=True)
class Programs:
    """The jobs that programs submit, and the messages about them."""

    submissions: Submissions = field(default_factory=Submissions)
    webhooks: Webhooks = field(default_factory=Webhooks)

    def resume(self, services: Services) -> None:
        """Continue what programs have submitted to earlier processes, and send the messages that wait."""
        self.submissions.resume(services)
        self.webhooks.begin(services)

    def close(self) -> None:
        """Stop both; the next process continues."""
        self.submissions.close()
        self.webhooks.close()
