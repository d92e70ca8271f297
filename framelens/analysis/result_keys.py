"""Keys of stored answers: a job that resumes uses an answer again if its key equals the request's.

A key is "<settings>.<form>.<content>", three digests: the request with the settings that answers depend on; the form
of the request; and the frames, or the text that is joined. Answers with different settings never share a report.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from framelens.core.domain import AnalysisRequest, ChunkResult, Keyframe


def part_key(
    request: AnalysisRequest, conditions: Mapping[str, str], frames: Sequence[Keyframe], *, side: int, is_whole: bool
) -> str:
    """Return the key of an answer about `frames`, sent with a longer side of `side` pixels at most."""
    return f"{_settings(request, conditions)}.{_digest([side, is_whole])}.{_content(frames)}"


def join_key(request: AnalysisRequest, conditions: Mapping[str, str], prompt: str) -> str:
    """Return the key of an answer that joins the parts quoted in `prompt`."""
    return f"{_settings(request, conditions)}.join.{_digest(prompt)}"


def is_about(result: ChunkResult, by_number: Mapping[int, Keyframe]) -> bool:
    """Return whether an answer is about these very frames, by the digest in its key."""
    if not all(number in by_number for number in result.frames):
        return False
    return result.key.rpartition(".")[2] == _content([by_number[number] for number in result.frames])


def _settings(request: AnalysisRequest, conditions: Mapping[str, str]) -> str:
    return _digest([request.template, request.question, request.language, dict(sorted(conditions.items()))])


def _content(frames: Sequence[Keyframe]) -> str:
    return _digest([[frame.number, frame.frame_index, frame.time_seconds, frame.jpeg_sha256] for frame in frames])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
