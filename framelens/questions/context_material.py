"""What a conversation can send besides its turns: pictures with their marks, and findings, texts and speech.

Everything that comes from a video or a file is quoted as JSON strings, below a line that says that it is no
instruction.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from framelens.analysis.prompts.prompts import speech_near
from framelens.core.domain import Analysis, Keyframe
from framelens.core.images import image_size
from framelens.core.outline import prompt_texts
from framelens.core.units import clock
from framelens.i18n import t
from framelens.i18n.formatting import attributed, time_mark
from framelens.llm.text_fallback import describe
from framelens.questions.conversation import FrameRef, Turn


@dataclass(frozen=True)
class ContextPicture:
    """A picture of the conversation.

    Attributes:
        turn: Index of its turn in the branch.
        age: Sorts the pictures, those first that become descriptions first.
        mark: Line before it.
        described: Line in its place.
        jpeg: Empty if it can't be sent.
    """

    ref: FrameRef
    turn: int
    age: tuple[int, int]
    mark: str
    described: str
    width: int
    height: int
    jpeg: bytes


class ContextMaterial:
    """Pictures and texts of a branch, in the language of the context.

    Args:
        branch: Turns up to the current turn.
        analyses: What the conversation is about, by id.
        stored: Its stored pictures by SHA-256.

    Attributes:
        analyses: What the conversation is about, in the order of the numbers that videos have in it.
        pictures: Pictures in the order of the conversation; pictures of a deleted video are missing.
        sections: Lines of findings, of texts on the screen, and of speech.
    """

    def __init__(self, branch: Sequence[Turn], analyses: Mapping[str, Analysis], stored: Mapping[str, bytes]) -> None:
        self._branch = branch
        self.analyses = list(analyses.values())
        self._first = next((turn.frames for turn in branch if turn.frames), ())
        self.pictures = list(self._all_pictures(analyses, stored))
        self.sections = [list(lines) for lines in (self._findings(), self._texts(), self._cues())]

    def system(self, own: str) -> str:
        """Return the system prompt with what the user wrote for it."""
        number = len(self.analyses)
        rules = t("ask.prompt.system" if number == 1 else "ask.prompt.system_several" if number else "ask.prompt.alone")
        return f"{rules}\n{t('ask.prompt.own', text=own.strip())}" if own.strip() else rules

    def block(self, counts: Sequence[int]) -> Iterator[str]:
        """Yield the material of the videos as a block, with the last `counts` lines of each section."""
        lines: list[str] = []
        if len(self.analyses) > 1:
            lines += (
                t("ask.prompt.video", number=number, name=_quote(analysis.video.name))
                for number, analysis in enumerate(self.analyses, 1)
            )
        for name, section, count in zip(("findings", "texts", "cues"), self.sections, counts, strict=True):
            if count:
                lines += [t(f"ask.prompt.{name}"), *section[len(section) - count :]]
        if lines:
            head = t("ask.prompt.material" if len(self.analyses) == 1 else "ask.prompt.material_several")
            yield "\n".join([head, *lines])

    def quotes(self, turn: Turn) -> list[str]:
        """Return the texts that match a question, as data."""
        choice = turn.evidence.choice if turn.evidence else None
        return [
            t("ask.prompt.quote", video=self._video_number(quote.analysis_id), time=clock(quote.seconds))
            + f" {_quote(quote.text)}"
            for quote in (choice.quotes if choice else ())
            if quote.analysis_id in {analysis.id for analysis in self.analyses}
        ]

    def _all_pictures(self, analyses: Mapping[str, Analysis], stored: Mapping[str, bytes]) -> Iterator[ContextPicture]:
        """Yield the pictures of the branch in their order; pictures of a deleted video are missing."""
        numbers = set[int]()
        for turn_index, turn in enumerate(self._branch):
            added = [ref for ref in turn.added if ref.number not in numbers]
            numbers |= {ref.number for ref in added}
            counts = {source: sum(ref.analysis_id == source for ref in added) for source in {*analyses, ""}}
            ranks = dict.fromkeys(counts, 0)
            for ref in added:
                if ref.analysis_id and ref.analysis_id not in analyses:
                    continue
                ranks[ref.analysis_id] += 1
                # Of several videos each loses its first frames; the user's images stay longest.
                rank = 0 if not ref.analysis_id else ranks[ref.analysis_id] - counts[ref.analysis_id] - 1
                analysis = analyses.get(ref.analysis_id)
                yield self._picture(ref, turn_index, (turn_index, rank), analysis, stored.get(ref.picture, b""))

    def _picture(
        self, ref: FrameRef, turn_index: int, age: tuple[int, int], analysis: Analysis | None, jpeg: bytes
    ) -> ContextPicture:
        keyframes = analysis.keyframes if analysis else ()
        keyframe = next((frame for frame in keyframes if frame.time_seconds == ref.time_seconds), None)
        if keyframe and not ref.picture:
            width, height, jpeg = keyframe.width, keyframe.height, keyframe.jpeg
        else:
            width, height = image_size(jpeg) if jpeg else (0, 0)
        line = self._mark(ref)
        described = line
        if keyframe and analysis:
            facts = next((fact for fact in analysis.facts if fact.number == keyframe.number), None)
            described = describe(line, keyframe, facts)  # the writing on the screen is part of the quoted material
        return ContextPicture(ref, turn_index, age, line, described, width, height, jpeg)

    def _mark(self, ref: FrameRef) -> str:
        """Return the line before a picture."""
        if not ref.analysis_id:
            return t("ask.prompt.image", number=ref.number, name=_quote(ref.name))
        video = self._video_number(ref.analysis_id) if len(self.analyses) > 1 else 0
        return time_mark(ref.number, clock(ref.time_seconds), video)

    def _video_number(self, analysis_id: str) -> int:
        return next(number for number, analysis in enumerate(self.analyses, 1) if analysis.id == analysis_id)

    def _moment(self, analysis: Analysis, frame: Keyframe) -> str:
        """Return the mark of a keyframe, without a number if the first frames of the conversation lack it."""
        for ref in self._first:
            if (ref.analysis_id, ref.time_seconds) == (analysis.id, frame.time_seconds):
                return self._mark(ref)
        video = self._video_number(analysis.id) if len(self.analyses) > 1 else 0
        key = "ask.prompt.moment_of" if video else "ask.prompt.moment"
        return t(key, time=clock(frame.time_seconds), video=video)

    def _findings(self) -> Iterator[str]:
        for analysis in self.analyses:
            moments = {frame.number: self._moment(analysis, frame) for frame in analysis.keyframes}
            numbers = {ref.time_seconds: ref.number for ref in self._first if ref.analysis_id == analysis.id}
            by_frame = {frame.number: numbers.get(frame.time_seconds) for frame in analysis.keyframes}
            statements = (*analysis.overview, *analysis.findings, *analysis.reply)
            for frames, text in dict.fromkeys(
                (statement.frames, " · ".join((statement.text, *statement.fields.values()))) for statement in statements
            ):
                cited = [by_frame.get(frame) for frame in frames]
                if None in cited:
                    yield f"- {' '.join(moments[frame] for frame in frames if frame in moments)} {_quote(text)}"
                else:
                    yield f"- [{', '.join(map(str, cited))}] {_quote(text)}"

    def _texts(self) -> Iterator[str]:
        for analysis in self.analyses:
            read = prompt_texts(analysis.keyframes, {fact.number: fact for fact in analysis.facts})
            for frame in analysis.keyframes:
                if frame.number in read:
                    yield f"{self._moment(analysis, frame)} {_quote(' | '.join(read[frame.number]))}"

    def _cues(self) -> Iterator[str]:
        """Yield the speech near each keyframe."""
        for analysis in self.analyses:
            for frame, speech in speech_near(attributed(analysis.transcript), analysis.keyframes):
                yield f"{self._moment(analysis, frame)} {_quote(speech)}"


def _quote(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
