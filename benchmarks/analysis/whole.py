"""A whole analysis with the app's real parts on a given engine, and the times of its events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.analysis.recorded import Sent, recording
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.task import NO_EARLIER_RESULTS, EarlierResults, Task
from framelens.config import load
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest, Layout
from framelens.core.events import AnswerDelta, ChunkDone, Finished, KeyframesChosen, SurveyProgress
from framelens.engine.engine_builder import build_engine
from framelens.jobs.engine_session import EngineSession

SIDE = 448


@dataclass
class Course:
    """Times of an analysis in seconds since the call.

    `sent` are its requests; `first_share` is the share of the video that was read when the first text came. Requests
    with frames are chunks, all others merge findings. `layout` is the whole analysis's.
    """

    sent: list[Sent] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    chosen: float = 0.0
    first_text: float = 0.0
    first_share: float = 1.0
    parts_done: float = 0.0
    ended: float = 0.0
    read_share: float = 0.0
    layout: Layout | None = None
    num_results: int = 0

    def since(self) -> float:
        return time.perf_counter() - self.began

    def of_parts(self, *, after: float = -1.0) -> list[Sent]:
        """List the requests about chunks that were sent after this many seconds."""
        return [one for one in self.sent if one.has_pictures and one.at_seconds - self.began > after]

    @property
    def of_joins(self) -> list[Sent]:
        return [one for one in self.sent if not one.has_pictures]

    @property
    def asked(self) -> float:
        """Return when the first chunk was sent."""
        return min(one.at_seconds for one in self.of_parts()) - self.began


class App:
    """FrameLens with its real services and its own data folder. Answers of the engine are not cached."""

    def __init__(
        self, base_url: str, data_dir: Path, *, in_flight: int, api_key: str = "none", answer_tokens: int = 1024
    ) -> None:
        self.in_flight = in_flight
        self._settings = load(
            {
                "FRAMELENS_BASE_URL": base_url,
                "FRAMELENS_API_KEY": api_key,
                "FRAMELENS_DATA_DIR": str(data_dir),
                "FRAMELENS_FRAME_SIDE": str(SIDE),
                "FRAMELENS_ANSWER_TOKENS": str(answer_tokens),
            }
        )
        engine, _ = build_engine(self._settings)
        session = EngineSession(self._settings, Templates(self._settings.template_dir), engine)
        session.connector.in_flight = in_flight
        self._run = session.run

    def warm(self, video: Path) -> None:
        """Import everything and check the engine's vision, with a video that is not measured."""
        self.course(AnalysisRequest(video, frames=1))

    def read(self, request: AnalysisRequest) -> None:
        """Read the video and measure the facts of its frames."""
        self.course(replace(request, use_model=False))

    def course(self, request: AnalysisRequest, *, layout: Layout | None = None, until_text: bool = False) -> Course:
        """Run to the end or to the first text. `layout` fixes the chunks regardless of the engine's token counts."""
        done = NO_EARLIER_RESULTS if layout is None else EarlierResults(AnalysisState(layout=layout))
        task = Task(request, "benchmark", done=done)
        with recording() as sent:
            course = Course(sent)
            for update in self._run(task):
                _note(course, update.event)
                if until_text and course.first_text:
                    task.control.cancel.set()
                    break
        course.ended = course.since()
        return course


def _note(course: Course, event: object) -> None:
    match event:
        case SurveyProgress(time_seconds, duration_seconds) if duration_seconds:
            course.read_share = time_seconds / duration_seconds
        case KeyframesChosen():
            course.chosen = course.since()
        case AnswerDelta(_, text) if text and not course.first_text:
            course.first_text, course.first_share = course.since(), course.read_share
        case ChunkDone(result) if result.number > 0:
            course.num_results += 1
            course.parts_done = course.since()
        case Finished(analysis):
            course.layout = analysis.layout
        case _:
            pass


def in_parts(frames: int, each: int, *, in_flight: int) -> Layout:
    """Return a layout with chunks of this many frames, whatever they cost."""
    numbers = range(1, frames + 1)
    parts = tuple(tuple(numbers[start : start + each]) for start in range(0, frames, each))
    return replace(Layout(SIDE, each, in_flight, 100.0, True), parts=parts)
