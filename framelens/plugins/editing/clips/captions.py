"""Subtitles drawn into pictures: white with a dark edge, in the project's own font, by FFmpeg's subtitles filter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import ImageFont

from framelens import Cue
from framelens.plugin.reports import ass_clock, own_face

_LINES_OF_HEIGHT, _SIGNS_OF_WIDTH = 18, 16
"""A letter is as high as an eighteenth of the picture, and a sixteenth of its width at most."""
_LEAST_PIXELS = 12
_SHARE_OF_WIDTH = 0.9
_MOST_LINES = 4
_MISSING = "?"
_STYLE = "Default,{family},{size},&H00FFFFFF,&H00101010,1,{edge},0,2,0,0,{margin}"
_HEAD = """[Script Info]
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: {width}
PlayResY: {height}

[V4+ Styles]
Format: Name,Fontname,Fontsize,PrimaryColour,OutlineColour,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,MarginV
Style: {style}

[Events]
Format: Start,End,Style,Text
"""


def subtitle_filter(path: Path) -> str:
    """Return the filter that draws the subtitles of a file."""
    return f"subtitles=f={_escape(path)}:fontsdir={_escape(own_face().path.parent)}"


def _escape(path: Path) -> str:
    """Return a path as a value in a chain of filters, where characters are escaped twice."""
    option = re.sub(r"([\\':])", r"\\\1", path.absolute().as_posix())
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)


def written(cues: Sequence[Cue], size: tuple[int, int], start_seconds: float) -> str:
    """Return cues, at times of the video, as subtitles (ASS) for frames of this (width, height) of a clip."""
    width, height = size
    pixels = max(_LEAST_PIXELS, min(height // _LINES_OF_HEIGHT, width // _SIGNS_OF_WIDTH))
    font = ImageFont.truetype(str(own_face().path), pixels)
    style = _STYLE.format(
        family=own_face().family, size=_line_height(font), edge=max(1, pixels // 12), margin=pixels // 2
    )
    lines = [_HEAD.format(width=width, height=height, style=style)]
    for cue in cues:
        text = r"\N".join([*_wrap(cue.text, font, _SHARE_OF_WIDTH * width)][:_MOST_LINES])
        edges = (max(0.0, seconds - start_seconds) for seconds in (cue.start_seconds, cue.end_seconds))
        lines.append("Dialogue: {},{},Default,{}\n".format(*map(ass_clock, edges), text))
    return "".join(lines)


def _line_height(font: ImageFont.FreeTypeFont) -> int:
    """Return the size that ASS gives a font by: the height of its lines."""
    return sum(font.getmetrics())


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """Yield lines of at most this width, broken at spaces, and between the letters of East Asian scripts."""
    drawable = own_face().code_points
    for line in text.splitlines():
        clean = "".join(letter if ord(letter) in drawable else _MISSING for letter in " ".join(line.split()))
        held = ""
        for word in re.findall(r"[^ \u2e80-\uffff]*[ \u2e80-\uffff]|[^ \u2e80-\uffff]+", clean):
            if held and font.getlength((held + word).rstrip()) > width:
                yield _literal(held.rstrip())
                held = ""
            held += word
        if held.strip():
            yield _literal(held.rstrip())


def _literal(line: str) -> str:
    """Return a line in which no character begins a command: behind a backslash is a joiner that isn't drawn."""
    return line.replace("\\", "\\\u2060").replace("{", r"\{").replace("}", r"\}")
