"""Builder of requests to the model, and the context that a part gets from earlier parts.

The answer about the first part begins with its subjects; once they have arrived, the other parts are sent. Every later
part gets them, and the results of all parts far enough back to be finished at its turn, however many run at the same
time. So the context depends on the layout alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

from langchain_core.messages import BaseMessage

from framelens.analysis.parsing.answer_parser import parse_answer
from framelens.analysis.pipeline_state import Frames
from framelens.analysis.planning.frame_budget import DEFAULT_CONTEXT
from framelens.analysis.prompts import prompts
from framelens.analysis.prompts.schema import Scope
from framelens.analysis.prompts.templates import Template
from framelens.analysis.requests.request_executor import EngineRequest, RunContext
from framelens.analysis.result_keys import join_key, part_key
from framelens.core.domain import ChunkResult, Cue, Keyframe, Layout, Notice, Subject
from framelens.core.errors import ContextExceeded
from framelens.core.events import AnalysisEvent, AnswerDelta, ModeChosen, Noticed
from framelens.core.outline import has_pages, prompt_texts
from framelens.i18n import in_language, notice_text
from framelens.llm import messages
from framelens.llm.messages import data_url
from framelens.llm.text_fallback import TextFallback, text_prompt
from framelens.llm.token_estimate import estimate_text_tokens

log = logging.getLogger(__name__)
_SLACK = 0.01  # share of the context by which text estimates may be off
# Lengths are in characters.
_MOST_SUBJECTS = 12
_LONGEST_LOOK = 120
_LONGEST_STORY = 400
_FIRST = 1
"""Number of the first part, which is the number of the first frame."""
_INTRODUCED = re.compile(
    r"[\"']subjects[\"']\s*[:：].*?(?=[,，]?\s*[\"'](?:findings|overview)[\"']\s*[:：])", re.DOTALL
)
"""The list of subjects, up to the next key."""
_BEGINNINGS = ("{", "```")


@dataclass(frozen=True)
class CarriedContext:
    """Context of earlier parts: `subjects` with unique names, and `story`, the overview of the latest part."""

    subjects: tuple[Subject, ...] = ()
    story: tuple[str, ...] = ()


NO_CONTEXT = CarriedContext()


class Introduction:
    """Subjects of the first part, which the other parts wait for.

    They are parsed from the streamed answer, or published from the finished answer, whichever comes first.
    """

    def __init__(self, template: Template) -> None:
        self.known: Future[tuple[Subject, ...]] = Future()
        self._template = template
        self._text = ""

    def note(self, event: AnalysisEvent) -> None:
        """Look for the subjects in an event of the first part; other events are ignored."""
        if not isinstance(event, AnswerDelta) or event.chunk != _FIRST or self.known.done():
            return
        self._text = event.text if event.restart else self._text + event.text
        # What comes before the JSON may turn out to be reasoning with a draft.
        if self._text.lstrip().startswith(_BEGINNINGS) and (match := _INTRODUCED.search(self._text)):
            answer = parse_answer(f"{{{match[0]}}}", "part", self._template, {}, 0.0)
            self.publish(answer.subjects)

    def publish(self, subjects: tuple[Subject, ...]) -> None:
        """Set the subjects, unless they are known already."""
        if not self.known.done():
            self.known.set_result(subjects)


def required_parts(index: int, in_flight: int) -> list[int]:
    """Return the indexes of the parts that must be finished before the part at `index` is sent.

    The subjects of the first part must be known, too.
    """
    back = 1 if in_flight == 1 else 2 * in_flight
    return list(range(0 if in_flight == 1 else 1, index - back + 1))


def build_context(introduced: tuple[Subject, ...], results: Mapping[int, ChunkResult]) -> CarriedContext:
    """Build the context from the first part's subjects and the results by index, failed parts left out."""
    subjects: dict[str, Subject] = {}
    story: tuple[str, ...] = ()
    for subjects_of_part in (introduced, *(result.subjects for _, result in sorted(results.items()))):
        for subject in subjects_of_part:
            latest = subjects.pop(subject.name.casefold(), subject)  # the subject seen last comes last
            subjects[subject.name.casefold()] = Subject(latest.name, latest.look[:_LONGEST_LOOK])
    for _, result in sorted(results.items()):
        story = _short_story([finding.text for finding in result.overview if not finding.issues]) or story
    return CarriedContext(tuple(subjects.values())[-_MOST_SUBJECTS:], story)


def _short_story(lines: list[str]) -> tuple[str, ...]:
    story: list[str] = []
    for line in lines:
        if sum(map(len, story)) + len(line) > _LONGEST_STORY:
            break
        story.append(line)
    return tuple(story)


@dataclass(frozen=True)
class RequestChunk:
    """Chunk of the video for a request.

    Attributes:
        frames: Frames that represent [start_seconds, end_seconds) of the video.
        total: Number of parts of the whole video.
        layout: Layout that the part belongs to.
        start_seconds: Start of the range.
        end_seconds: End of the range.
        context: Context of earlier parts.
        cues: Speech in the range.
    """

    frames: Frames
    total: int
    layout: Layout
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    context: CarriedContext = NO_CONTEXT
    cues: tuple[Cue, ...] = ()

    @property
    def number(self) -> int:
        """Return the number of the part, which is its first frame's, or 1 without frames."""
        return self.frames[0].number if self.frames else 1


class RequestBuilder:
    """Builder of the requests of a run.

    Attributes:
        fallback: Whether requests are sent as text, and why.
        usual_prompt: A system message and question of usual length.
    """

    def __init__(self, run: RunContext, pictures: ImagePrefetch) -> None:
        self._run = run
        self._request = run.task.request
        self.fallback = TextFallback(run.connection.sight)
        self._pictures = pictures
        self.usual_prompt = prompts.usual_prompt(run.task.request, run.template)

    def key(self, part: RequestChunk) -> str:
        """Return the cache key of an answer about this part."""
        return part_key(
            self._request, self._run.connection.conditions, part.frames, side=part.layout.side, is_whole=part.total < 2
        )

    def prefetch(self, part: RequestChunk) -> None:
        """Encode the pictures of this part ahead, since it will be sent soon."""
        if not self.fallback.is_active:
            self._pictures.prefetch(part.frames, part.layout.side)

    def part_request(self, part: RequestChunk) -> EngineRequest:
        """Build the request about this part.

        Raises:
            ContextExceeded: The engine reports that the request is too long.
        """
        with in_language(self._request.language):
            return self._in_text(part) if self.fallback.is_active or not part.frames else self._in_pictures(part)

    def join_request(self, number: int, parts: Sequence[ChunkResult], frames: Frames) -> EngineRequest:
        """Build the request that joins the answers of `parts`; they may cite `frames`."""
        prompt = prompts.join_question(self._request, self._run.template, parts)
        with in_language(self._request.language):
            sent = messages.text_only(prompt, system=prompts.system_prompt("join"))
        key = join_key(self._request, self._run.connection.conditions, prompt)
        return EngineRequest(number, frames, "text", sent, "join", key)

    def part_text(self, part: ChunkResult) -> str:
        """Return the text of this part in a join."""
        with in_language(self._request.language):
            return prompts.account(part, self._run.template)

    def _in_pictures(self, part: RequestChunk) -> EngineRequest:
        prompt = self._ask(part, self._texts(part))
        url = partial(self._pictures.take, side=part.layout.side)
        system = prompts.system_prompt(self._scope(part))
        sent = self._run.connection.messages(part.frames, prompt, system=system, url=url)
        if self._is_tight(part, system + prompt):
            self._check_length(sent)
        if doubt := self.fallback.notice:
            self._run.emit(Noticed(doubt))
        if padding := messages.padding_notice((frame.jpeg for frame in part.frames), part.layout.side):
            self._run.emit(Noticed(padding))
        if refusal := self._run.connection.video_refusal:
            self._run.emit(Noticed(Notice("video_refused", {"reason": refusal})))
        self._run.emit(ModeChosen(part.number, "messages"))
        return EngineRequest(part.number, part.frames, "messages", sent, self._scope(part), self.key(part))

    def _in_text(self, part: RequestChunk) -> EngineRequest:
        why = self.fallback.notice if part.frames else None
        self._run.emit(ModeChosen(part.number, "text", why))
        if why:
            log.warning(notice_text(why))
            self._run.emit(Noticed(why))
        facts = self._run.state.facts(part.frames)
        prompt = text_prompt(part.frames, facts, self._ask(part))
        sent = messages.text_only(prompt, system=prompts.system_prompt(self._scope(part)))
        self._check_length(sent)
        return EngineRequest(part.number, part.frames, "text", sent, self._scope(part), self.key(part), why)

    def _texts(self, part: RequestChunk) -> Mapping[int, Sequence[str]]:
        """Return the text of the frames of a video of pages, once it is read; without pages, pictures don't wait."""
        state = self._run.state
        decode = state.now.decode if state.has_chosen else None
        return prompt_texts(part.frames, state.facts(part.frames)) if decode and has_pages(decode) else {}

    def _ask(self, part: RequestChunk, texts: Mapping[int, Sequence[str]] | None = None) -> str:
        return prompts.chunk_question(
            self._request,
            self._run.template,
            part.frames,
            part.total,
            subjects=part.context.subjects,
            earlier=part.context.story,
            cues=part.cues,
            texts=texts,
        )

    def _scope(self, part: RequestChunk) -> Scope:
        return prompts.scope_of(part.total)

    def _is_tight(self, part: RequestChunk, text: str) -> bool:
        """Return True if the engine should count the tokens of this request.

        Counting costs the engine one pass over every picture. If it has counted a frame before, only unusually long
        texts can make a request longer than planned.
        """
        usual = estimate_text_tokens("".join(self.usual_prompt))
        excess = estimate_text_tokens(text) - usual
        context = self._run.connection.max_model_len or DEFAULT_CONTEXT
        return not part.layout.is_exact or excess > _SLACK * context

    def _check_length(self, sent: Sequence[BaseMessage]) -> None:
        counted = self._run.connection.count(sent)
        if counted is None:
            return
        tokens, most = counted.count, counted.max_model_len
        if tokens + min(self._run.connection.answer_tokens, most // 8) > most:
            raise ContextExceeded("context_exceeded", reason=f"{tokens} tokens + answer > {most}")


class ImagePrefetch:
    """Frames encoded ahead in a thread of `executor`, so that the engine needn't wait for the pictures of a part.

    A frame is encoded once and kept until it is taken; a frame that was not expected is encoded when taken. It may be
    used from several threads, but a frame is taken by one of them only.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._made: dict[tuple[int, int], Future[str]] = {}

    def prefetch(self, frames: Iterable[Keyframe], side: int) -> None:
        """Start to encode these frames with a longer side of `side` pixels at most."""
        for frame in frames:
            key = (frame.number, side)
            if key not in self._made:
                self._made[key] = self._executor.submit(data_url, frame, side)

    def take(self, frame: Keyframe, side: int) -> str:
        """Return the frame as a data URL."""
        prepared = self._made.pop((frame.number, side), None)
        return prepared.result() if prepared and not prepared.cancel() else data_url(frame, side)
