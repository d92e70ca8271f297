"""Speakers of a transcript: who says each cue, by the turns that a diariser finds, and the names that people give.

A plugin brings the diariser, see `framelens.hookspecs.Hooks.parts`. No model names anybody: speakers have letters in
the order in which they first speak until a person names them. Names are kept by the content of the video and the number
of its speakers, so another analysis finds them. Two speakers with the same name are the same person, who was taken for
two.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from framelens.core.domain import Cue, SpeakerTurn, Transcript

_NEAR_SECONDS = 0.5
"""A cue without an overlap belongs to a turn that is as near: the times of words and of turns differ by tenths."""
Names = tuple[str, ...]


def with_speakers(transcript: Transcript, turns: Sequence[SpeakerTurn], *, is_guess: bool) -> Transcript:
    """Return the transcript with the speaker of each cue: the person who speaks most during it.

    Args:
        transcript: The transcript.
        turns: Who speaks when, in order of the starts.
        is_guess: Whether the number of speakers is a guess.
    """
    starts = [turn.start_seconds for turn in turns]
    longest = max((turn.end_seconds - turn.start_seconds for turn in turns), default=0.0)
    speakers = [_speaker_of(cue, turns, starts, longest) for cue in transcript.cues]
    numbers = {speaker: index for index, speaker in enumerate(dict.fromkeys(filter(None, speakers)), 1)}
    cues = (
        replace(cue, speaker=numbers.get(speaker, 0)) for cue, speaker in zip(transcript.cues, speakers, strict=True)
    )
    return replace(transcript, cues=tuple(cues), speakers=("",) * len(numbers), speakers_guessed=is_guess)


def _speaker_of(cue: Cue, turns: Sequence[SpeakerTurn], starts: Sequence[float], longest: float) -> int:
    shared: dict[int, float] = {}
    index = bisect_left(starts, cue.end_seconds + _NEAR_SECONDS)
    while index and starts[index - 1] > cue.start_seconds - longest - _NEAR_SECONDS:
        index -= 1
        turn = turns[index]
        overlap = min(cue.end_seconds, turn.end_seconds) - max(cue.start_seconds, turn.start_seconds)
        if overlap > 0:
            shared[turn.speaker] = max(0.0, shared.get(turn.speaker, 0.0)) + overlap
        elif overlap > -_NEAR_SECONDS:
            shared[turn.speaker] = max(overlap, shared.get(turn.speaker, overlap))
    return max(shared, key=lambda speaker: shared[speaker], default=0)


def names_key(sha256: str, num_speakers: int) -> str:
    """Return the key of the store of extractions under which the names of a video's speakers are kept."""
    return hashlib.sha256(json.dumps(["speaker names", sha256, num_speakers]).encode()).hexdigest()
