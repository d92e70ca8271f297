"""Short texts for values in the reader's language, as pages show them. Everything here returns text; nothing draws."""

import re
from pathlib import PureWindowsPath
from urllib.parse import urlsplit

from framelens.core.domain import VideoInfo
from framelens.core.errors import AppError
from framelens.core.units import clock, human_size
from framelens.i18n import error_text, t
from framelens.i18n.formatting import span
from framelens.reports.content.labels import dynamic_range, printable

_ADDRESS = re.compile(r"https?://[\x21-\x5f\x61-\x7e]*[A-Za-z0-9_/]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:@&])")


def plain(text: str) -> str:
    """Escape `text` for Streamlit's Markdown, so that it is shown literally and line by line.

    Pictures, HTML, formulas and colours stay text, and marks that turn text around are named. A web address is set as
    code, which never becomes a link.
    """
    text, shown, last = printable(text), "", 0
    for address in _ADDRESS.finditer(text):
        shown += _escape_markdown(text[last : address.start()]) + f"`{address[0]}`"
        last = address.end()
    return (shown + _escape_markdown(text[last:])).replace("\n", "  \n")


def joined(*parts: str | None) -> str:
    """Return facts on one line, without empty facts."""
    return " · ".join(filter(None, parts))


def error_words(error: AppError) -> str:
    """Return the text of an error without its leading sign: the page shows an icon."""
    return error_text(error).removeprefix("❌").lstrip()


def _escape_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def short_clock(seconds: float) -> str:
    """Format seconds as "mm:ss", or "h:mm:ss" from an hour on."""
    return clock(int(seconds), digits=0)


def length_clock(seconds: float) -> str:
    """Format a video's length like `short_clock`, below a second with its tenths."""
    return short_clock(seconds) if seconds >= 1 else clock(seconds, digits=1)


def remaining(seconds: float | None) -> str:
    """Return an estimate such as "about 1½ min left", or "" for None."""
    return "" if seconds is None else t("ui.left", time=span(seconds, seconds))


def video_facts(video: VideoInfo) -> str:
    """Return what a viewer knows of a video: its length, the size of its file, and whether it has sound."""
    seconds = video.duration_seconds_from_header
    sound = t("ui.audio" if video.has_audio else "ui.no_audio")
    return joined("" if seconds is None else length_clock(seconds), human_size(video.size_bytes), sound)


def technical_facts(video: VideoInfo) -> str:
    """Return the probe's other findings on one line."""
    return joined(
        f"{video.width} × {video.height}",
        t("ui.fps", n=f"{video.frame_rate:.4g}") if video.frame_rate else "",
        f"{video.codec} · {_container(video)}",
        f"{t('report.timecode')} {video.timecode}" if video.timecode else "",
        t("ui.rotated", n=video.rotation_degrees) if video.rotation_degrees else "",
        t("ui.mirrored") if video.is_mirrored else "",
        dynamic_range(video) if video.dynamic_range else "",
        t("ui.interlaced") if video.is_interlaced else "",
    )


def _container(video: VideoInfo) -> str:
    """Return one name of the container: the file's suffix where the decoder lists it among several."""
    names = video.container.split(",")
    ending = video.path.suffix.lstrip(".").lower()
    return ending if ending in names else names[0]


def short_model_name(model: str) -> str:
    """Return a short name: a hub id unchanged, the last part of a folder, host and port of an address."""
    if model.startswith(("http://", "https://")):
        return urlsplit(model).netloc.rpartition("@")[2]
    return PureWindowsPath(model).name if is_path(model) else model


def is_path(model: str) -> bool:
    """Return whether a model is named by its folder."""
    return PureWindowsPath(model).anchor != "" or model.startswith((".", "~")) or "\\" in model
