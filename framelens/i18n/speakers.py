"""Speakers of a transcript in words: the name that a person has given, else a letter."""

from dataclasses import replace

from framelens.core.domain import Cue, Transcript
from framelens.i18n import t


def speaker_name(transcript: Transcript, number: int) -> str:
    """Return what a speaker is called, "" for none: the name, or "Speaker A" in the current language."""
    if not 1 <= number <= len(transcript.speakers):
        return ""
    return transcript.speakers[number - 1] or t("report.speaker", letter=speaker_letter(number))


def speaker_letter(number: int) -> str:
    """Return the letter of a speaker, who is counted from 1."""
    return chr(ord("A") + number - 1)


def attributed(transcript: Transcript | None, *, only_named: bool = False) -> tuple[Cue, ...]:
    """Return the cues, each with its speaker in the text; `only_named` leaves out who has no name."""
    if transcript is None:
        return ()
    if not transcript.speakers:
        return transcript.cues
    wanted = range(1, len(transcript.speakers) + 1)
    names = {one: speaker_name(transcript, one) for one in wanted if transcript.speakers[one - 1] or not only_named}
    return tuple(
        replace(cue, text=t("report.said_by", name=name, text=cue.text)) if (name := names.get(cue.speaker)) else cue
        for cue in transcript.cues
    )
