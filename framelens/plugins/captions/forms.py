"""The forms of subtitles that this plugin reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from framelens.plugin.subtitles import SubtitleForms, Timed, Unread
from framelens.plugins.captions.cea608 import Captions, read_scc
from framelens.plugins.captions.cea708 import DigitalCaptions
from framelens.plugins.captions.ttml import read_ttml
from framelens.plugins.captions.whisper import read_whisper_json, read_whisper_tsv
from framelens.plugins.captions.youtube import read_json3, read_srv

Reader = Callable[[str, float, Collection[str]], Iterable[Timed | Unread]]
_SLOW_SCENARIST = re.compile(r"Scenarist_SCC[^\n]*\s+\d\d:\d\d:\d\d:")
_TTML_ROOT = re.compile(r"<(?:\w+:)?tt\b[^>]*>")


def forms() -> SubtitleForms:
    """Return the readers of the forms, by endings and names, and the decoder of closed captions."""
    readers: dict[str, Reader] = {
        **dict.fromkeys((".ttml", ".dfxp", ".itt"), read_ttml),
        ".scc": read_scc,
        ".json3": read_json3,
        **dict.fromkeys((".srv3", ".srv2", ".srv1"), read_srv),
        "Whisper JSON": read_whisper_json,
        "Whisper TSV": read_whisper_tsv,
    }
    return SubtitleForms(readers, shown, hour_seconds)


def shown(pictures: Iterable[tuple[float, bytes]], is_digital: bool) -> Iterator[Timed]:
    """Yield the cues of the first channel that has any."""
    decoder = DigitalCaptions() if is_digital else Captions()
    for at, triples in pictures:
        decoder.feed(triples, at)
    yield from next(iter(decoder.channels().values()), [])


def hour_seconds(text: str) -> float:
    """Return how long an hour of a file's times is: longer where they count frames of 29.97 Hz and drop no number."""
    root = _TTML_ROOT.search(text)
    is_slow = root and "smpte" in root[0] and "1001" in root[0] and "drop" not in root[0].lower().replace("nondrop", "")
    return 3603.6 if is_slow or _SLOW_SCENARIST.match(text.lstrip()) else 3600.0
