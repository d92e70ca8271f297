"""Pictures of a conversation: keyframes of its analyses, frames that were looked up for a question, and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from app import resources
from app.components.ranges import found_ranges, range_action
from app.components.report_blocks import Renderer, Value
from app.context import services
from framelens.core.domain import Keyframe, ReportedSearch
from framelens.core.errors import InputError
from framelens.core.units import clock
from framelens.i18n import t

if TYPE_CHECKING:
    from framelens.questions.conversation import FrameRef


class Pictures:
    """Converter of frames and images to values for the browser.

    Attributes:
        names: Names of the videos by the ids of their analyses.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self._keyframes = cache(_keyframes)

    def gallery(
        self,
        pictures: Iterable[FrameRef],
        *,
        shown: str,
        can_look: bool = False,
        plays: bool = False,
        search: ReportedSearch | None = None,
    ) -> Value:
        """Return pictures as a value for the browser.

        Args:
            pictures: The pictures.
            shown: The analysis whose video is in the player; a click on a frame of another video notifies the page.
            can_look: Give each frame a button that looks closer.
            plays: A click on a frame plays the video from there.
            search: The search whose intervals begin with these frames; each frame gets the button of a range.
        """
        options = {"plays": plays}
        ranges = _ranges(search) if search else {}
        values = [
            self._value(picture, shown, can_look=can_look) | options | {"range": ranges.get(picture.time_seconds)}
            for picture in pictures
        ]
        return {"kind": "gallery", "pictures": values}

    def _value(self, ref: FrameRef, shown: str, *, can_look: bool) -> Value:
        title = t("ui.frame" if ref.analysis_id else "ask.page.image", n=ref.number)
        if not ref.analysis_id:
            return {"src": _url(ref), "title": title, "why": ref.name, "alt": ref.name or title}
        return {
            **self._file(ref),
            "number": ref.number,
            "seconds": ref.time_seconds,
            "title": title,
            "time": clock(ref.time_seconds),
            "why": "" if ref.analysis_id == shown else self.names.get(ref.analysis_id, ""),
            "alt": t("ui.go_to", time=clock(ref.time_seconds)),
            "elsewhere": ref.analysis_id != shown,
            "look": t("ask.page.look_closer") if can_look else "",
        }

    def _file(self, ref: FrameRef) -> Value:
        if ref.picture:
            return {"src": _url(ref)}
        frame = self._keyframes(ref.analysis_id).get(ref.time_seconds)
        return Renderer(ref.analysis_id, ()).picture(frame) if frame else {"src": ""}


def _ranges(search: ReportedSearch) -> dict[float, Value]:
    """Return the intervals of a search by their first frames' times, for a plugin's action; {} without an action."""
    action = range_action()
    return (
        {found_range.start_seconds: found_range.value(action) for found_range in found_ranges(search.moments)}
        if action
        else {}
    )


def _keyframes(analysis_id: str) -> dict[float, Keyframe]:
    """Return the keyframes of an analysis by their times; {} if the analysis was deleted."""
    try:
        job = services().jobs.snapshot(analysis_id)
    except InputError:
        return {}
    return {frame.time_seconds: frame for frame in (job.analysis.keyframes if job.analysis else ())}


def _url(ref: FrameRef) -> str:
    return resources.api_url(f"ask/pictures/{ref.picture}.jpg")
