"""Public face for plugins: what they may import beside the names of `framelens`.

Each name is imported from its room on first use, so that listing plugins imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.api.programs import ANALYST as ANALYST
    from framelens.api.programs import VIEWER as VIEWER
    from framelens.api.programs import ServicesDep as ServicesDep
    from framelens.api.tools import ToolCall as ToolCall
    from framelens.cli.common import cancel_on_signals as cancel_on_signals
    from framelens.cli.grammar import Options as Options
    from framelens.cli.listening import settle_speech as settle_speech
    from framelens.cli.progress_lines import ProgressLine as ProgressLine
    from framelens.composition import Services as Services
    from framelens.composition import open_videos as open_videos
    from framelens.config import Settings as Settings
    from framelens.config import load as load
    from framelens.core.background_task import BackgroundTask as BackgroundTask
    from framelens.core.background_task import BackgroundTasks as BackgroundTasks
    from framelens.core.background_task import in_thread as in_thread
    from framelens.core.child_environment import reader_environment as reader_environment
    from framelens.core.codec import Failure as Failure
    from framelens.core.domain import SoundPiece as SoundPiece
    from framelens.core.domain import SpeakerTurn as SpeakerTurn
    from framelens.core.domain import SpeechSpans as SpeechSpans
    from framelens.core.domain import Spoken as Spoken
    from framelens.core.domain import seconds_of as seconds_of
    from framelens.core.domain import speech_between as speech_between
    from framelens.core.engines.model_hub import chosen_hub as chosen_hub
    from framelens.core.engines.model_hub import is_offline as is_offline
    from framelens.core.events import ProgressListener as ProgressListener
    from framelens.core.files import address_in as address_in
    from framelens.core.files import safe_file_name as safe_file_name
    from framelens.core.files import single_line as single_line
    from framelens.core.files import typed_path as typed_path
    from framelens.core.installation import install_line as install_line
    from framelens.core.links import SourceSettings as SourceSettings
    from framelens.core.links import is_link as is_link
    from framelens.core.links import typed_link as typed_link
    from framelens.core.links import unsigned as unsigned
    from framelens.core.links import with_scheme as with_scheme
    from framelens.core.redaction import redact as redact
    from framelens.core.roles import LOCAL_USER as LOCAL_USER
    from framelens.core.roles import as_user as as_user
    from framelens.core.roles import current_user as current_user
    from framelens.core.roles import requires as requires
    from framelens.core.units import clock as clock
    from framelens.core.units import foreign_number as foreign_number
    from framelens.core.units import human_size as human_size
    from framelens.engine.base import Engine as Engine
    from framelens.engine.base import EngineStatus as EngineStatus
    from framelens.engine.check_findings import CheckFinding as CheckFinding
    from framelens.engine.diagnostics.checks import doctor_finding as doctor_finding
    from framelens.engine.downloads.hub import download as download
    from framelens.engine.endpoints import metrics_url as metrics_url
    from framelens.engine.endpoints import read_metrics as read_metrics
    from framelens.engine.gpu_metrics import GpuReader as GpuReader
    from framelens.engine.gpu_metrics import GpuSample as GpuSample
    from framelens.engine.gpu_metrics import GpuSamples as GpuSamples
    from framelens.engine.hardware import cpu_name as cpu_name
    from framelens.engine.hardware import free_memory_bytes as free_memory_bytes
    from framelens.engine.hardware import memory_bytes as memory_bytes
    from framelens.engine.hub_cache import find_in_cache as find_in_cache
    from framelens.engine.installation import install as install
    from framelens.engine.installation import install_log as install_log
    from framelens.engine.local.child_process import GUARD as GUARD
    from framelens.engine.local.child_process import ChildProcess as ChildProcess
    from framelens.engine.local.child_process import LogReader as LogReader
    from framelens.engine.local.launch_checks import LaunchChecks as LaunchChecks
    from framelens.engine.model_resolution import resolve_model as resolve_model
    from framelens.engine.recognisers import Pieces as Pieces
    from framelens.engine.recognisers import SpeechListener as SpeechListener
    from framelens.engine.recognisers import SpeechModelName as SpeechModelName
    from framelens.engine.recognition import LocalDiariser as LocalDiariser
    from framelens.engine.recognition import LocalModel as LocalModel
    from framelens.engine.recognition import LocalRecogniser as LocalRecogniser
    from framelens.engine.recognition import local_diariser as local_diariser
    from framelens.engine.recognition import local_recogniser as local_recogniser
    from framelens.engine.remote_engine import normal_base_urls as normal_base_urls
    from framelens.engine.short_requests import NoAnswer as NoAnswer
    from framelens.engine.short_requests import get_text as get_text
    from framelens.i18n import aside as aside
    from framelens.i18n import t as t
    from framelens.i18n.formatting import phase_text as phase_text
    from framelens.i18n.formatting import span as span
    from framelens.jobs.running import running as running
    from framelens.jobs.snapshot import JobSnapshot as JobSnapshot
    from framelens.models.catalogue import Catalogue as Catalogue
    from framelens.registry import Hooks as Hooks
    from framelens.registry import Page as Page
    from framelens.registry import address_error as address_error
    from framelens.registry import hook as hook
    from framelens.reports.content.page_text import error_words as error_words
    from framelens.reports.content.page_text import joined as joined
    from framelens.reports.content.page_text import plain as plain
    from framelens.reports.content.page_text import short_model_name as short_model_name
    from framelens.reports.format import ReportFormat as ReportFormat
    from framelens.reports.format import lazy as lazy
    from framelens.store.model_records import ModelRecords as ModelRecords
    from framelens.store.model_records import confirm_download as confirm_download
    from framelens.store.model_records import confirmed_downloads as confirmed_downloads
    from framelens.store.videos.link_transfer import FetchProgress as FetchProgress
    from framelens.store.videos.link_transfer import RemoteVideo as RemoteVideo
    from framelens.store.videos.link_transfer import Write as Write
    from framelens.store.videos.links import LinkFetcher as LinkFetcher
    from framelens.store.videos.links import may_name_any as may_name_any
    from framelens.store.videos.outbound import Outbound as Outbound
    from framelens.store.videos.video_repository import VideoRepository as VideoRepository
    from framelens.video.files import is_video_name as is_video_name
    from framelens.video.limits import lower_priority as lower_priority
    from framelens.video.limits import move_on as move_on
    from framelens.video.worker import further_requests as further_requests
    from framelens.video.worker import serve as serve
    from framelens.video.worker_pool import DecoderWorker as DecoderWorker


def __getattr__(name: str) -> Any:
    return exported(globals(), name)
