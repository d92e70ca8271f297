"""Forms of subtitles: what readers of further forms take and give."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.video.subtitles.cues import Timed as Timed
    from framelens.video.subtitles.cues import Unread as Unread
    from framelens.video.subtitles.cues import clock_seconds as clock_seconds
    from framelens.video.subtitles.cues import cue_text as cue_text
    from framelens.video.subtitles.cues import spoken as spoken
    from framelens.video.subtitles.formats import SubtitleForms as SubtitleForms
    from framelens.video.subtitles.names import language_code as language_code

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
