"""Forms of subtitles: what readers of further forms take and give."""

from functools import partial
from typing import TYPE_CHECKING

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
    __getattr__ = partial(exported, globals())
