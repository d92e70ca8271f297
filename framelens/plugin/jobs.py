"""Analyses and stored data: jobs, videos, conversations and tables of a plugin's own."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.analysis.inputs.extraction_cache import open_extraction_cache as open_extraction_cache
    from framelens.analysis.task import Control as Control
    from framelens.api.playback import video_for as video_for
    from framelens.core.codec import Failure as Failure
    from framelens.jobs.answers import keep_settings as keep_settings
    from framelens.jobs.answers import usual_settings as usual_settings
    from framelens.jobs.snapshot import JobSnapshot as JobSnapshot
    from framelens.jobs.transcripts import report_ids as report_ids
    from framelens.jobs.transcripts import transcript_of as transcript_of
    from framelens.questions.conversation import LIMITS as LIMITS
    from framelens.store.videos.video_repository import VideoRepository as VideoRepository

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
