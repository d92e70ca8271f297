"""Names that users give to speakers: listed, changed, and kept with the reports on a video."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.analysis.inputs.speakers import names_key
from framelens.core.codec import to_json
from framelens.core.domain import Transcript
from framelens.core.errors import InputError
from framelens.core.files import single_line
from framelens.core.roles import LOCAL_USER, current_user
from framelens.i18n.formatting import speaker_letter
from framelens.store.extraction_cache import open_extractions

if TYPE_CHECKING:
    from framelens.jobs.queue import Jobs

LONGEST_NAME = 60


@dataclass(frozen=True)
class SpeakerSummary:
    """One speaker of a report.

    Attributes:
        letter: "A" for the first to speak, and so on.
        name: The name that a person has given, or "".
        num_cues: Number of passages.
        seconds: Total length of the passages.
        first_seconds: Start of the first passage.
    """

    letter: str
    name: str
    num_cues: int
    seconds: float
    first_seconds: float

    @classmethod
    def all_of(cls, transcript: Transcript | None) -> tuple[SpeakerSummary, ...]:
        """List the speakers of a transcript in the order of their letters."""
        speakers = []
        for number, name in enumerate(transcript.speakers if transcript else (), 1):
            cues = [cue for cue in transcript.cues if cue.speaker == number] if transcript else []
            seconds = round(sum(cue.end_seconds - cue.start_seconds for cue in cues), 3)
            first = cues[0].start_seconds if cues else 0.0
            speakers.append(cls(speaker_letter(number), name, len(cues), seconds, first))
        return tuple(speakers)


def name_speakers(jobs: Jobs, data_dir: Path, job_id: str, names: Mapping[str, str]) -> tuple[SpeakerSummary, ...]:
    """Name speakers in a report, in the user's other reports on the video, and for future reports on it.

    Two speakers with the same name are one person; without a name they are two again. With accounts, future reports
    get no names: other users may analyse the same video.

    Args:
        jobs: The reports.
        data_dir: The data folder, where the names are kept for future reports.
        job_id: The report.
        names: Name by letter, "" to remove it; other speakers keep theirs.

    Returns:
        All speakers of the report.

    Raises:
        InputError: "job_unknown", "job_still_runs", "speakers_absent", "speaker_unknown", or "speaker_name_long".
        StorageError: The names can't be stored.
    """
    analysis = jobs.snapshot(job_id).analysis
    transcript = analysis.transcript if analysis else None
    if analysis is None or transcript is None or not transcript.speakers:
        raise InputError("speakers_absent", id=job_id)
    letters = {speaker_letter(number): number - 1 for number in range(1, len(transcript.speakers) + 1)}
    whole = list(transcript.speakers)
    for letter, name in names.items():
        if (index := letters.get(letter.strip().upper())) is None:
            raise InputError("speaker_unknown", given=letter[:LONGEST_NAME], known=", ".join(letters))
        whole[index] = single_line(name)
        if len(whole[index]) > LONGEST_NAME:
            raise InputError("speaker_name_long", most=LONGEST_NAME)
    jobs.name_speakers(job_id, whole)
    jobs.indexing.catch_up()
    for other in jobs.library.reports_on(sha256=analysis.sha256) if analysis.sha256 else ():
        if other != job_id:
            with suppress(InputError):  # it runs again
                jobs.name_speakers(other, whole)
    if analysis.sha256 and current_user() == LOCAL_USER:
        open_extractions(data_dir).put(names_key(analysis.sha256, len(whole)), to_json(tuple(whole)).encode())
    return SpeakerSummary.all_of(transcript.with_names(whole))
