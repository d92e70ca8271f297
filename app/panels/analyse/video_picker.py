"""Video picker: an upload in pieces, a file below an allowed folder, or the bundled sample; and the chosen videos.

When all files have arrived and were probed, it reports the ids of the videos and why other files were refused.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import streamlit as st

from app import resources
from app.components import slots, uploader
from app.components.controls import button
from app.context import services
from app.state import page_state
from framelens.api.subtitle_uploads import pair_uploads
from framelens.core.errors import AppError, VideoError
from framelens.core.files import readable
from framelens.i18n import t
from framelens.plugin_page import Options
from framelens.reports.content.page_text import plain
from framelens.video.inputs import Input, resolve
from framelens.video.subtitles.discovery import SUBTITLE_SUFFIXES, files_beside

ACCEPT = ",".join(
    (
        *("video/*", "image/gif", ".mkv", ".mov", ".avi", ".mts", ".m2ts", ".ts", ".flv", ".wmv", ".mpg", ".mpeg"),
        *(".vob", ".ogv", ".3gp", ".mxf"),
        *SUBTITLE_SUFFIXES.split(", "),
    )
)
"""Kinds of files that a browser offers for a video: videos and subtitles."""
_COUNTED_SECONDS = 10.0  # how long a folder is taken to be unchanged, which is counted at every rerun
_MOST_TRIED = 8  # videos of a folder, to find a video that can be shown; a probe takes a third of a second


def draw() -> None:
    """Draw the ways to choose a video, the upload first because it is the most common."""
    draw_uploader(key="uploader", on_uploaded=_choose_uploads)
    if services().settings.input_dirs:
        example = str(services().settings.input_dirs[0] / "video.mp4")
        options: Options = {"help": t("ui.path_folder"), "on_change": _choose_path}
        st.text_input(t("ui.path"), key="path", placeholder=example, **options)
    slots.draw("analyse.source")
    sample = services().videos.sample
    button(t("ui.use_sample"), "use_sample", _choose, sample, icon="play_circle", kind="tertiary")


def _choose_uploads(video_ids: list[str], refused: list[str]) -> None:
    state = page_state()
    state.choose_videos(video_ids)
    state.refused = tuple(refused)


def draw_chosen() -> None:
    """Draw a line for each of several chosen videos, with buttons that show or remove it."""
    state = page_state()
    if state.folder:
        st.markdown(f"**{plain(t('ui.chosen_folder', n=num_videos_in(state.folder), folder=state.folder))}**")
        st.caption(t("ui.chosen_how"))
    for video_id in state.video_ids:
        _draw_subtitles_of(video_id)
    if len(state.video_ids) < 2:
        return
    st.markdown(f"**{t('ui.chosen_videos', n=len(state.video_ids))}**")
    st.caption(t("ui.chosen_how"))
    with st.container(gap="xsmall"):
        for video_id in state.video_ids:
            _draw_line(video_id)


def _draw_line(video_id: str) -> None:
    name, is_shown = name_of(video_id), video_id == page_state().video_id
    left, right = st.columns((2, 1), vertical_alignment="center", gap="xsmall")
    with left:
        button(plain(name), f"show-{video_id}", _show, video_id, icon="play_circle", kind="tertiary", disabled=is_shown)
    with right:
        label, tip = t("ui.remove_video"), plain(t("ui.remove_video_help", name=name))
        button(label, f"leave-{video_id}", _leave_out, video_id, icon="close", kind="tertiary", help=tip)


def name_of(video_id: str) -> str:
    """Return the name of a video, or its id if it was removed; using the removed video reports the error."""
    try:
        return services().videos.name(video_id)
    except AppError:
        return video_id


def _show(video_id: str) -> None:
    state = page_state()
    state.choose_videos((video_id, *(other_id for other_id in state.video_ids if other_id != video_id)))


def _leave_out(video_id: str) -> None:
    state = page_state()
    state.choose_videos([other_id for other_id in state.video_ids if other_id != video_id])


def _choose_path() -> None:
    """Choose the file that was typed, or all videos of the folder that was."""
    page_state().choose_again()
    typed = st.session_state["path"]
    folder = services().videos.folder(typed)
    if folder is None:
        _choose(lambda: services().videos.from_path(typed))
        return
    state = page_state()
    with state.catching_errors():
        paths = [path for _, path in videos_in(str(folder)) if isinstance(path, Path)]
        if not paths:
            raise VideoError("folder_without_videos", path=str(folder))
        shown = next(filter(_is_readable, paths[:_MOST_TRIED]), paths[0])
        state.choose_folder(str(folder), services().videos.from_path(str(shown)))


def _is_readable(path: Path) -> bool:
    try:
        resources.probe_video(path)
    except AppError:
        return False
    return True


def videos_in(folder: str) -> list[tuple[str, Path | AppError]]:
    """List the videos of an allowed folder and all folders in it, each by its name and its file or error.

    Each file is checked like a typed path: a link may lead out of the allowed folders.
    """
    videos = services().videos
    if (allowed := videos.folder(folder)) is None:
        return []
    results: list[tuple[str, Path | AppError]] = []
    for item in _inputs_in(allowed):
        name = readable(str(item.path.relative_to(allowed))) if item.path.is_relative_to(allowed) else item.path.name
        try:
            if item.error:
                raise item.error
            results.append((name, videos.path(videos.from_path(str(item.path)))))
        except AppError as error:
            results.append((name, error))
    return results


@st.cache_data(ttl=_COUNTED_SECONDS, show_spinner=False)
def num_videos_in(folder: str) -> int:
    """Return the number of videos in an allowed folder."""
    allowed = services().videos.folder(folder)
    return sum(item.error is None for item in _inputs_in(allowed)) if allowed else 0


def _inputs_in(folder: Path) -> tuple[Input, ...]:
    """List the videos of a folder, without those in the data folder: the uploads of all users."""
    return resolve([str(folder)], without=services().settings.data_dir).items


def _draw_subtitles_of(video_id: str) -> None:
    """Name the subtitle files beside an uploaded video."""
    with suppress(AppError):
        path = services().videos.path(video_id)
        if labels := [file.label for file in files_beside(path)]:
            names = ", ".join(labels[:_MOST_TRIED])
            st.caption(plain(t("ui.chosen_subtitles", name=readable(path.name), names=names)))


def _choose(find: Callable[[], str]) -> None:
    state = page_state()
    state.choose_again()
    with state.catching_errors():
        state.choose_video(find())


def draw_uploader(*, key: str, on_uploaded: Callable[[list[str], list[str]], None]) -> None:
    """Draw the drop zone for videos and their subtitles.

    Args:
        key: The widget key.
        on_uploaded: Called before the page is drawn again, with the ids of the videos and a sentence on each file
            that is not a video. Subtitles are beside their videos then.
    """

    def receive(ids: list[str], refused: list[str]) -> None:
        with page_state().catching_errors():
            video_ids, alone = pair(ids)
            on_uploaded(video_ids, [*refused, *alone])

    texts = {word: t(f"ui.upload_{word}") for word in ("choose", "hint", "small")}
    uploader.draw(uploader.Invitation("video", ACCEPT, **texts), key=key, on_uploaded=receive)


def pair(ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Put uploaded subtitles beside their videos; return the ids of the videos and a sentence on each subtitle alone.

    Raises:
        InputError: An upload is unknown, or a subtitle file is too large.
    """
    paired = pair_uploads(services().videos, ids)
    return list(paired.video_ids), [t("ui.upload_subtitles_alone", name=name) for name in paired.alone]
