"""What two analyses have in common: the content of the file, the request, and the settings that answers depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.domain import AnalysisRequest
from app.errors import AppError
from app.jobs.snapshot import JobSnapshot


@dataclass(frozen=True)
class Sameness:
    """conditions(request) are the settings; known_sha256(path) is the content where it can be told at once."""

    conditions: Callable[[AnalysisRequest], Mapping[str, str]]
    known_sha256: Callable[[Path], str | None]

    def known(self, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
        """The digest for a request that was not run yet, "" where the content is not known."""
        try:
            sha256 = self.known_sha256(request.path)
        except AppError:
            return ""
        return _digest(sha256, request, conditions) if sha256 else ""

    def of(self, job: JobSnapshot) -> str:
        """The digest of a job that has come to a report, else ""."""
        if job.analysis is None or not job.analysis.sha256:
            return ""
        return _digest(job.analysis.sha256, job.request, job.conditions)


def _digest(sha256: str, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
    asked = {**asdict(request), "path": ""}
    return hashlib.sha256(json.dumps([sha256, asked, dict(conditions)], sort_keys=True).encode()).hexdigest()
