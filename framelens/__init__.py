"""Python API of FrameLens: keyframes, analyses and reports of videos.

    import framelens

    for frame in framelens.keyframes("talk.mp4", frames=16):
        print(frame.time_seconds, frame.reason)
    analysis = framelens.analyse("talk.mp4", question="Who speaks?")
    pdf = framelens.report(analysis, "pdf")
    print(framelens.ask(analysis, "What is on the table?").last.answer)
    pdf = framelens.report(framelens.with_conversations(analysis), "pdf")

`keyframes`, `analyse`, `ask` and the generators of their events do one thing each and release everything that they
started. A `Session` does several with one engine. Settings come from arguments, then the environment and `.env`, as for
the command `framelens`.

Errors that a user can do something about are subclasses of AppError; `str(error)` is a sentence in the language of the
call. Times are seconds from the first frame of the video. Importing this package imports none of its dependencies:
every name is imported on first use.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from framelens.conversations.conversation import (
        AnswerDone,
        AnswerText,
        AskEvent,
        AskSettings,
        ContextChosen,
        ContextUse,
        Conversation,
        FrameRef,
        FramesAdded,
        Look,
        Queued,
        ReasoningText,
        Turn,
    )
    from framelens.core.domain import (
        Analysis,
        AnalysisEvent,
        AnswerDelta,
        Answered,
        Boundary,
        Chapter,
        ChunkDone,
        ChunkResult,
        Cue,
        DecodeSummary,
        EngineInfo,
        EngineProgress,
        FactsMeasured,
        Finding,
        Finished,
        FrameFacts,
        Heard,
        Keyframe,
        KeyframeFound,
        KeyframesChosen,
        Language,
        Measures,
        ModeChosen,
        Notice,
        Noticed,
        OpeningChosen,
        Planned,
        Probed,
        Shot,
        StageStarted,
        Strategy,
        Stretch,
        SurveyProgress,
        Transcript,
        Usage,
        VideoInfo,
    )
    from framelens.core.errors import (
        AppError,
        Cancelled,
        ConfigError,
        ContextExceeded,
        DecodeError,
        EngineBrokeOff,
        EngineBusy,
        EngineError,
        EngineTimeout,
        ImageRejected,
        InputError,
        ModelNotFound,
        StorageError,
        VideoError,
    )
    from framelens.i18n import error_text, notice_text
    from framelens.python.chat_model import ChatModel
    from framelens.python.keyframe_list import KeyframeList
    from framelens.python.report_files import FORMATS, load_reports, report, save_report
    from framelens.python.session import (
        Session,
        analyse,
        analyse_events,
        ask,
        ask_events,
        keyframes,
        with_conversations,
    )

__all__ = [
    "FORMATS",
    "Analysis",
    "AnalysisEvent",
    "AnswerDelta",
    "AnswerDone",
    "AnswerText",
    "Answered",
    "AppError",
    "AskEvent",
    "AskSettings",
    "Boundary",
    "Cancelled",
    "Chapter",
    "ChatModel",
    "ChunkDone",
    "ChunkResult",
    "ConfigError",
    "ContextChosen",
    "ContextExceeded",
    "ContextUse",
    "Conversation",
    "Cue",
    "DecodeError",
    "DecodeSummary",
    "EngineBrokeOff",
    "EngineBusy",
    "EngineError",
    "EngineInfo",
    "EngineProgress",
    "EngineTimeout",
    "FactsMeasured",
    "Finding",
    "Finished",
    "FrameFacts",
    "FrameRef",
    "FramesAdded",
    "Heard",
    "ImageRejected",
    "InputError",
    "Keyframe",
    "KeyframeFound",
    "KeyframeList",
    "KeyframesChosen",
    "Language",
    "Look",
    "Measures",
    "ModeChosen",
    "ModelNotFound",
    "Notice",
    "Noticed",
    "OpeningChosen",
    "Planned",
    "Probed",
    "Queued",
    "ReasoningText",
    "Session",
    "Shot",
    "StageStarted",
    "StorageError",
    "Strategy",
    "Stretch",
    "SurveyProgress",
    "Transcript",
    "Turn",
    "Usage",
    "VideoError",
    "VideoInfo",
    "analyse",
    "analyse_events",
    "ask",
    "ask_events",
    "error_text",
    "keyframes",
    "load_reports",
    "notice_text",
    "report",
    "save_report",
    "with_conversations",
]

_NAMES = {
    "framelens.conversations.conversation": (
        "AnswerDone",
        "AnswerText",
        "AskEvent",
        "AskSettings",
        "ContextChosen",
        "ContextUse",
        "Conversation",
        "FrameRef",
        "FramesAdded",
        "Look",
        "Queued",
        "ReasoningText",
        "Turn",
    ),
    "framelens.core.domain": (
        "Analysis",
        "AnalysisEvent",
        "AnswerDelta",
        "Answered",
        "Boundary",
        "Chapter",
        "ChunkDone",
        "ChunkResult",
        "Cue",
        "DecodeSummary",
        "EngineInfo",
        "EngineProgress",
        "FactsMeasured",
        "Finding",
        "Finished",
        "FrameFacts",
        "Heard",
        "Keyframe",
        "KeyframeFound",
        "KeyframesChosen",
        "Language",
        "Measures",
        "ModeChosen",
        "Notice",
        "Noticed",
        "OpeningChosen",
        "Planned",
        "Probed",
        "Shot",
        "StageStarted",
        "Strategy",
        "Stretch",
        "SurveyProgress",
        "Transcript",
        "Usage",
        "VideoInfo",
    ),
    "framelens.core.errors": (
        "AppError",
        "Cancelled",
        "ConfigError",
        "ContextExceeded",
        "DecodeError",
        "EngineBrokeOff",
        "EngineBusy",
        "EngineError",
        "EngineTimeout",
        "ImageRejected",
        "InputError",
        "ModelNotFound",
        "StorageError",
        "VideoError",
    ),
    "framelens.i18n": (
        "error_text",
        "notice_text",
    ),
    "framelens.python.chat_model": ("ChatModel",),
    "framelens.python.keyframe_list": ("KeyframeList",),
    "framelens.python.report_files": (
        "FORMATS",
        "load_reports",
        "report",
        "save_report",
    ),
    "framelens.python.session": (
        "Session",
        "analyse",
        "analyse_events",
        "ask",
        "ask_events",
        "keyframes",
        "with_conversations",
    ),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from importlib.metadata import version

        return version("framelens")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_MODULES[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
