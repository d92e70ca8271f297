"""Python API of FrameLens: keyframes, analyses and reports of videos.

    import framelens

    for frame in framelens.keyframes("talk.mp4", frames=16):
        print(frame.time_seconds, frame.reason)
    analysis = framelens.analyse("talk.mp4", question="Who speaks?")
    pdf = framelens.report(analysis, "pdf")
    print(framelens.ask(analysis, "What is on the table?").last.answer)
    pdf = framelens.report(framelens.with_conversations(analysis), "pdf")

`keyframes`, `analyse`, `ask` and the generators of their events do a single thing each and release everything that they
started. A `Session` does several with the same engine. Settings come from arguments, then the environment and `.env`,
as for the command `framelens`; the `.env` of the current folder isn't read.

Errors that a user can do something about are subclasses of AppError; `str(error)` is a sentence in the language of the
call. Times are seconds from the first frame of the video. Importing this package doesn't import its dependencies:
every name is imported on first use.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    __version__: str
    from framelens.core.domain import Analysis as Analysis
    from framelens.core.domain import Boundary as Boundary
    from framelens.core.domain import Chapter as Chapter
    from framelens.core.domain import ChunkResult as ChunkResult
    from framelens.core.domain import Cue as Cue
    from framelens.core.domain import DecodeSummary as DecodeSummary
    from framelens.core.domain import EngineInfo as EngineInfo
    from framelens.core.domain import Finding as Finding
    from framelens.core.domain import FrameFacts as FrameFacts
    from framelens.core.domain import Keyframe as Keyframe
    from framelens.core.domain import Language as Language
    from framelens.core.domain import Measures as Measures
    from framelens.core.domain import Notice as Notice
    from framelens.core.domain import Pace as Pace
    from framelens.core.domain import Shot as Shot
    from framelens.core.domain import Strategy as Strategy
    from framelens.core.domain import Stretch as Stretch
    from framelens.core.domain import Transcript as Transcript
    from framelens.core.domain import Usage as Usage
    from framelens.core.domain import VideoInfo as VideoInfo
    from framelens.core.errors import AppError as AppError
    from framelens.core.errors import Cancelled as Cancelled
    from framelens.core.errors import ConfigError as ConfigError
    from framelens.core.errors import ContextExceeded as ContextExceeded
    from framelens.core.errors import DecodeError as DecodeError
    from framelens.core.errors import EngineBrokeOff as EngineBrokeOff
    from framelens.core.errors import EngineBusy as EngineBusy
    from framelens.core.errors import EngineError as EngineError
    from framelens.core.errors import EngineTimeout as EngineTimeout
    from framelens.core.errors import ImageRejected as ImageRejected
    from framelens.core.errors import InputError as InputError
    from framelens.core.errors import ModelNotFound as ModelNotFound
    from framelens.core.errors import StorageError as StorageError
    from framelens.core.errors import VideoError as VideoError
    from framelens.core.events import AnalysisEvent as AnalysisEvent
    from framelens.core.events import AnswerDelta as AnswerDelta
    from framelens.core.events import Answered as Answered
    from framelens.core.events import ChunkDone as ChunkDone
    from framelens.core.events import EngineProgress as EngineProgress
    from framelens.core.events import FactsMeasured as FactsMeasured
    from framelens.core.events import Finished as Finished
    from framelens.core.events import Heard as Heard
    from framelens.core.events import KeyframeFound as KeyframeFound
    from framelens.core.events import KeyframesChosen as KeyframesChosen
    from framelens.core.events import ModeChosen as ModeChosen
    from framelens.core.events import Noticed as Noticed
    from framelens.core.events import OpeningChosen as OpeningChosen
    from framelens.core.events import Planned as Planned
    from framelens.core.events import Probed as Probed
    from framelens.core.events import StageStarted as StageStarted
    from framelens.core.events import SurveyProgress as SurveyProgress
    from framelens.i18n import error_text as error_text
    from framelens.i18n import notice_text as notice_text
    from framelens.jobs.stored.library_search import Moment as Moment
    from framelens.jobs.stored.library_search import MomentHits as MomentHits
    from framelens.python.calls import analyse as analyse
    from framelens.python.calls import analyse_events as analyse_events
    from framelens.python.calls import ask as ask
    from framelens.python.calls import ask_events as ask_events
    from framelens.python.calls import find as find
    from framelens.python.calls import keyframes as keyframes
    from framelens.python.calls import with_conversations as with_conversations
    from framelens.python.chat_model import ChatModel as ChatModel
    from framelens.python.keyframe_list import KeyframeList as KeyframeList
    from framelens.python.report_files import FORMATS as FORMATS
    from framelens.python.report_files import correct as correct
    from framelens.python.report_files import load_reports as load_reports
    from framelens.python.report_files import report as report
    from framelens.python.report_files import save_report as save_report
    from framelens.python.session import Session as Session
    from framelens.questions.conversation import AnswerDone as AnswerDone
    from framelens.questions.conversation import AnswerText as AnswerText
    from framelens.questions.conversation import AskEvent as AskEvent
    from framelens.questions.conversation import AskSettings as AskSettings
    from framelens.questions.conversation import ContextChosen as ContextChosen
    from framelens.questions.conversation import ContextUse as ContextUse
    from framelens.questions.conversation import Conversation as Conversation
    from framelens.questions.conversation import FrameRef as FrameRef
    from framelens.questions.conversation import FramesAdded as FramesAdded
    from framelens.questions.conversation import Look as Look
    from framelens.questions.conversation import Queued as Queued
    from framelens.questions.conversation import ReasoningText as ReasoningText
    from framelens.questions.conversation import Turn as Turn


def __getattr__(name: str) -> "Any":
    from framelens.core import exported, own_version

    return own_version() if name == "__version__" else exported(globals(), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
