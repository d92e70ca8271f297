"""Deduplication of jobs: keys that are equal where an analysis would give the same results again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from framelens.analysis.inputs.extraction_cache import ExtractionCache
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.snapshot import JobSnapshot


@dataclass(frozen=True)
class Deduplicator:
    """Builder of deduplication keys, from the settings in use and the digest of the file."""

    switcher: EngineSwitcher[Any]
    extractions: ExtractionCache

    def conditions(self, request: AnalysisRequest) -> Mapping[str, str]:
        """Return the settings in use that answers depend on."""
        conditions: Mapping[str, str] = self.switcher.session.conditions(request)
        return conditions

    def key_of_request(self, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
        """Return the key of a request that has not run yet, "" if the digest of its file is not known."""
        try:
            sha256 = self.extractions.quick_sha256(request.path)
        except AppError:
            return ""
        return request_digest(sha256, request, conditions) if sha256 else ""

    def key_of_job(self, job: JobSnapshot) -> str:
        """Return the key of a job that has a report, else ""."""
        if job.analysis is None or not job.analysis.sha256:
            return ""
        return request_digest(job.analysis.sha256, job.request, job.conditions)


def request_digest(sha256: str, request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
    """Return the SHA-256 of a request to the video with this digest, whatever its path, under these conditions."""
    described = {**asdict(request), "path": ""}
    del described["subtitles"]  # their content is among the conditions
    del described["describes"]  # a report that has more is found, too
    if not request.adapts:  # reports of versions without this choice are found
        del described["adapts"]
    if request.speakers is None:
        del described["speakers"]
    return hashlib.sha256(json.dumps([sha256, described, dict(conditions)], sort_keys=True).encode()).hexdigest()
