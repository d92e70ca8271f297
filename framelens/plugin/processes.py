"""Work beside a command or page: threads, child processes, and processes that decode in the sandbox."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.background_task import BackgroundTask as BackgroundTask
    from framelens.core.background_task import BackgroundTasks as BackgroundTasks
    from framelens.core.background_task import cancel_event as cancel_event
    from framelens.core.background_task import in_thread as in_thread
    from framelens.core.child_environment import reader_environment as reader_environment
    from framelens.core.events import ProgressListener as ProgressListener
    from framelens.core.installation import install_line as install_line
    from framelens.core.installation import require as require
    from framelens.engine.installation import install as install
    from framelens.engine.installation import install_log as install_log
    from framelens.engine.local.child_process import GUARD as GUARD
    from framelens.video.extractor import probe as probe
    from framelens.video.ffmpeg import FfmpegError as FfmpegError
    from framelens.video.ffmpeg import ffmpeg_input as ffmpeg_input
    from framelens.video.ffmpeg import run_ffmpeg as run_ffmpeg
    from framelens.video.frame_times import TimedVideo as TimedVideo
    from framelens.video.frame_times import TimesReader as TimesReader
    from framelens.video.limits import move_on as move_on
    from framelens.video.worker import further_requests as further_requests
    from framelens.video.worker import serve as serve
    from framelens.video.worker_pool import DecoderWorker as DecoderWorker
    from framelens.video.worker_pool import worker_ready as worker_ready

else:
    __getattr__ = partial(exported, globals())
