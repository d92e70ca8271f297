"""Speech: what recognisers and diarisers take and give."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.domain import SoundPiece as SoundPiece
    from framelens.core.domain import SpeakerTurn as SpeakerTurn
    from framelens.core.domain import SpeechSpans as SpeechSpans
    from framelens.core.domain import Spoken as Spoken
    from framelens.core.domain import seconds_of as seconds_of
    from framelens.core.domain import speech_between as speech_between
    from framelens.engine.recognisers import LocalDiariser as LocalDiariser
    from framelens.engine.recognisers import LocalModel as LocalModel
    from framelens.engine.recognisers import LocalRecogniser as LocalRecogniser
    from framelens.engine.recognisers import Pieces as Pieces
    from framelens.engine.recognisers import SpeechListener as SpeechListener
    from framelens.engine.recognisers import SpeechModelName as SpeechModelName
    from framelens.engine.recognisers import local_diariser as local_diariser
    from framelens.engine.recognisers import local_recogniser as local_recogniser
    from framelens.jobs.stored.speakers import LONGEST_NAME as LONGEST_NAME
    from framelens.jobs.stored.speakers import SpeakerSummary as SpeakerSummary

else:
    __getattr__ = partial(exported, globals())
