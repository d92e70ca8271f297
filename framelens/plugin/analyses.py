"""Analyses: requests, runs of the queue, their events and states, and questions about them."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.analysis.parsing.answer_parser import partial_text as partial_text
    from framelens.analysis.planning.estimate import Planner as Planner
    from framelens.analysis.planning.frame_budget import RequestCapacity as RequestCapacity
    from framelens.analysis.planning.frame_budget import frames_and_side as frames_and_side
    from framelens.analysis.prompts.templates import Templates as Templates
    from framelens.analysis.task import Control as Control
    from framelens.analysis.task import Task as Task
    from framelens.api.playback import video_for as video_for
    from framelens.core.analysis_state import AnalysisUpdate as AnalysisUpdate
    from framelens.core.domain import MOST_FRAMES as MOST_FRAMES
    from framelens.core.domain import MOST_SPEAKERS as MOST_SPEAKERS
    from framelens.core.domain import UNKNOWN_PATH as UNKNOWN_PATH
    from framelens.core.domain import AnalysisRequest as AnalysisRequest
    from framelens.core.domain import AnswerState as AnswerState
    from framelens.core.domain import Outcome as Outcome
    from framelens.core.domain import Selection as Selection
    from framelens.jobs.analyses import AnalysisRun as AnalysisRun
    from framelens.jobs.analyses import build_request as build_request
    from framelens.jobs.analyses import is_expected as is_expected
    from framelens.jobs.deduplication import request_digest as request_digest
    from framelens.jobs.engine_session import conditions as conditions
    from framelens.jobs.keyframes import build_selection as build_selection
    from framelens.jobs.queue import Jobs as Jobs
    from framelens.jobs.snapshot import AT_WORK as AT_WORK
    from framelens.jobs.snapshot import JobSnapshot as JobSnapshot
    from framelens.jobs.snapshot import State as State
    from framelens.jobs.stored.bulk_operations import remove_jobs as remove_jobs
    from framelens.jobs.transcripts import transcript_of as transcript_of
    from framelens.questions.conversation import MOST_QUESTION as MOST_QUESTION
    from framelens.questions.conversation import checked_question as checked_question
    from framelens.questions.retrieval.classification import is_sought as is_sought
    from framelens.questions.retrieval.values import Looking as Looking
    from framelens.questions.retrieval.values import MomentFinder as MomentFinder
    from framelens.questions.retrieval.values import PictureEmbedder as PictureEmbedder

else:
    __getattr__ = partial(exported, globals())
