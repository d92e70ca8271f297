"""Keyframes of a video: a sequence of frames with the shots and measurements of the video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from framelens.core.domain import (
    Boundary,
    DecodeSummary,
    Keyframe,
    Language,
    Measures,
    Notice,
    Shot,
    Stretch,
    VideoInfo,
)
from framelens.core.events import KeyframesChosen
from framelens.core.files import given_path
from framelens.core.units import counted
from framelens.i18n import in_language
from framelens.python.messages import checked_language, localised
from framelens.reports import files
from framelens.store.fs_utils import storage_errors
from framelens.video.extractor import full_pictures


@dataclass(frozen=True, repr=False)
class KeyframeList(Sequence[Keyframe]):
    """Keyframes of a video in the order of time; iterate over it, index it, or take its `len`.

    A frame has `number`, `time_seconds`, `frame_index`, `reason`, `shot`, `width`, `height`, and its picture as `jpeg`
    (bytes), scaled down to at most 1280 pixels.

    Attributes:
        frames: The frames.
        video: Metadata of the file.
        decode: Results of the decoding pass.
        reused: Whether the result was cached, so that the video was not decoded.
        sha256: SHA-256 of the file in hex digits.
        language: Language of the call that chose the frames.
    """

    frames: tuple[Keyframe, ...]
    video: VideoInfo
    decode: DecodeSummary
    reused: bool
    sha256: str
    language: Language | None = None

    @overload
    def __getitem__(self, index: int) -> Keyframe: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Keyframe, ...]: ...

    def __getitem__(self, index: int | slice) -> Keyframe | tuple[Keyframe, ...]:
        return self.frames[index]

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        seconds = self.decode.readable_seconds
        counts = f"{counted(len(self), 'frame')}, {counted(len(self.shots), 'shot')}"
        return f"KeyframeList({self.video.name!r}, {counts}, {seconds:.2f} s)"

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Return the shots of the video."""
        return self.decode.shots

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Return the transitions between shots."""
        return self.decode.boundaries

    @property
    def measures(self) -> Measures | None:
        """Return the measurements along the video, or None if the strategy makes no measurements."""
        return self.decode.measures

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Return the black, frozen and flashing segments."""
        return self.decode.stretches

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Return the notices about the file, such as damage; `notice_text` gives the text of a notice."""
        return self.decode.notices

    def to_json(self, language: Language | None = None) -> bytes:
        """Return the output of `framelens keyframes --json`: one JSON object in UTF-8, without pictures.

        Args:
            language: Language of reasons and notices; by default the language of the call that chose the frames.
        """
        from framelens.reports.json.encoding import keyframes_json

        chosen = KeyframesChosen(self.frames, self.decode)
        with in_language(checked_language(language, self.language)):
            return keyframes_json(self.video, self.sha256, chosen, reused=self.reused)

    def save(self, folder: str | os.PathLike[str], *, language: Language | None = None) -> list[Path]:
        """Write each frame in full size as a JPEG file named by its time, and a table of them, times.csv.

        The video is read again for the pictures. Pictures of an earlier call in the same folder are removed.

        Args:
            folder: The folder, which is created if it is missing.
            language: Language of error messages; by default the language of the call that chose the frames.

        Returns:
            The paths of the pictures.

        Raises:
            StorageError: A file can't be written.
            InputError: The video can't be read again.
        """
        with localised(checked_language(language, self.language)):
            target = given_path(folder)
            with storage_errors("frames_not_written", target):
                entries = files.frame_entries(full_pictures(self.video.path, self.frames))
                names = [file.name for file in files.written_frames(entries, target)]
        return [target / name for name in names if name != files.TABLE_NAME]
