"""Builds the requests of one run: each part's as pictures or as text, and those that join parts into one account."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial

from langchain_core.messages import BaseMessage

from app.analysis.cache_keys import join_key, part_key
from app.analysis.pipeline_state import Feed
from app.analysis.planning.plan import DEFAULT_CONTEXT
from app.analysis.prompts import prompts
from app.analysis.prompts.schema import Scope
from app.analysis.prompts.templates import Template
from app.analysis.requests.context import NOTHING, Carried
from app.analysis.requests.request_executor import Emit, Frames, Question, Speaker
from app.core.domain import AnalysisRequest, ChunkResult, Cue, Keyframe, Layout, ModeChosen, Notice, Noticed
from app.core.errors import ContextExceeded, PicturesRefused
from app.i18n import notice_text
from app.llm import messages
from app.llm.error_mapping import fallback_notice
from app.llm.messages import data_url
from app.llm.token_count import estimate_text_tokens

log = logging.getLogger(__name__)
_SLACK = 0.01  # of the context, which estimates of words may be off by


@dataclass(frozen=True)
class Part:
    """What one part's request is about: the frames that stand for [start_seconds, end_seconds) of the video. `total` is
    the number of parts of the whole.
    """

    frames: Frames
    total: int
    layout: Layout
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    carried: Carried = NOTHING
    cues: tuple[Cue, ...] = ()

    @property
    def number(self) -> int:
        return self.frames[0].number if self.frames else 1


class Questions:
    """What is asked, by whom and of what. That the engine takes no pictures is remembered once it was met."""

    def __init__(
        self,
        request: AnalysisRequest,
        template: Template,
        speaker: Speaker,
        feed: Feed,
        emit: Emit,
        pictures: Pictures,
    ) -> None:
        self._request = request
        self._template = template
        self._speaker = speaker
        self._sight = speaker.sight
        self._feed = feed
        self._emit = emit
        self._pictures = pictures
        self._usual_words = prompts.usual_words(request, template)

    @property
    def are_pictures(self) -> bool:
        """Whether pictures are sent, as far as is known."""
        return self._sight.sees is not False

    def blind(self, refused: PicturesRefused) -> None:
        """The engine has refused pictures: text from here on."""
        reason = Notice("pictures_rejected", {"reason": str(refused.values["reason"])})
        self._sight = replace(self._sight, sees=False, reason=reason)

    def key(self, part: Part) -> str:
        """The digest of what an answer about this part rests on, before it is asked."""
        return part_key(
            self._request, self._speaker.conditions, part.frames, side=part.layout.side, is_whole=part.total < 2
        )

    def expect(self, part: Part) -> None:
        """This part is asked about soon."""
        if self.are_pictures:
            self._pictures.expect(part.frames, part.layout.side)

    def about(self, part: Part) -> Question:
        """The request about this part. Raises ContextExceeded where the engine tells that it is too long."""
        if part.frames and self.are_pictures:
            return self._in_pictures(part)
        return self._in_text(part)

    def joining(self, number: int, parts: Sequence[ChunkResult], frames: Frames) -> Question:
        """The request that makes one account of these parts' answers; `frames` are all that they may cite."""
        prompt = prompts.join_question(self._request, self._template, parts)
        sent = messages.text_only(prompt, system=self._system("join"))
        key = join_key(self._request, self._speaker.conditions, prompt)
        return Question(number, frames, "text", sent, "join", key)

    def quoted(self, part: ChunkResult) -> str:
        """What a join is told of this part."""
        return prompts.account(part, self._template, self._request.language)

    def words(self) -> tuple[str, str]:
        """System message and question of a part, as long as they usually get."""
        return self._usual_words

    def _in_pictures(self, part: Part) -> Question:
        prompt, language = self._ask(part), self._request.language
        url = partial(self._pictures.take, side=part.layout.side)
        system = self._system(self._scope(part))
        sent = messages.with_pictures(part.frames, prompt, system=system, language=language, url=url)
        if self._is_tight(part, system + prompt):
            self._check_length(sent)
        if self._sight.sees is None:
            self._emit(Noticed(Notice("sight_unknown")))
        self._emit(ModeChosen(part.number, "messages"))
        return Question(part.number, part.frames, "messages", sent, self._scope(part), self.key(part))

    def _in_text(self, part: Part) -> Question:
        language = self._request.language
        why = fallback_notice(self._sight.reason or Notice("pictures_unproven")) if part.frames else None
        self._emit(ModeChosen(part.number, "text", why))
        if why:
            log.warning(notice_text(why, language))
            self._emit(Noticed(why))
        facts = self._feed.facts(part.frames)
        prompt = messages.text_prompt(part.frames, facts, self._ask(part), language=language)
        sent = messages.text_only(prompt, system=self._system(self._scope(part)))
        self._check_length(sent)
        return Question(part.number, part.frames, "text", sent, self._scope(part), self.key(part), why)

    def _ask(self, part: Part) -> str:
        return prompts.chunk_question(
            self._request,
            self._template,
            part.frames,
            part.total,
            known=part.carried.subjects,
            earlier=part.carried.story,
            cues=part.cues,
        )

    def _scope(self, part: Part) -> Scope:
        return prompts.scope_of(part.total)

    def _system(self, scope: Scope) -> str:
        return prompts.system_prompt(self._request.language, scope)

    def _is_tight(self, part: Part, words: str) -> bool:
        """Whether it is worth asking the engine how long this is: it takes every picture in once for that, and where it
        has counted a frame, only words beyond the usual ones can make it longer than was planned.
        """
        usual = estimate_text_tokens("".join(self._usual_words))
        more = estimate_text_tokens(words) - usual
        context = self._speaker.max_model_len or DEFAULT_CONTEXT
        return not part.layout.is_exact or more > _SLACK * context

    def _check_length(self, sent: Sequence[BaseMessage]) -> None:
        told = self._speaker.count(sent)
        if told and told.count + min(self._speaker.answer_tokens, told.max_model_len // 8) > told.max_model_len:
            raise ContextExceeded("context_exceeded", reason=f"{told.count} tokens + answer > {told.max_model_len}")


class Pictures:
    """Each is made once in a thread of `executor`, kept until it is taken, and made on the spot where it was not
    expected. May be used from several threads; one frame is taken by one of them.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._made: dict[tuple[int, int], Future[str]] = {}

    def expect(self, frames: Iterable[Keyframe], side: int) -> None:
        """These will be wanted soon, with a longer side of `side` pixels at most."""
        for frame in frames:
            key = (frame.number, side)
            if key not in self._made:
                self._made[key] = self._executor.submit(data_url, frame, side)

    def take(self, frame: Keyframe, side: int) -> str:
        """The frame as a data URL."""
        made = self._made.pop((frame.number, side), None)
        return made.result() if made and not made.cancel() else data_url(frame, side)
