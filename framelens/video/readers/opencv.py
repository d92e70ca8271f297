"""Fallback reader on OpenCV's VideoCapture, for a file that PyAV can't open or decode.

Reads from start to end only, with the time of each frame as it is read: OpenCV's seeks, frame counts and times before
zero can't be trusted, and it counts a late start from zero. Its own rotation knows no mirrors, and it doesn't crop, so
both are read from the headers of MP4 and Matroska. Pixel aspects that change are not known, and neither is HDR. A file
whose frames are flagged as interlaced is refused, since OpenCV can't convert them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from framelens.core.domain import VideoInfo
from framelens.core.errors import DecodeError
from framelens.core.files import readable
from framelens.video.files import printable_path
from framelens.video.readers import base, track_header
from framelens.video.readers.deinterlacer import uncombed_image
from framelens.video.readers.geometry import WHOLE, Crop, Orientation, shown_size
from framelens.video.readers.packets import FramePacing

_PLANAR_8_BIT = frozenset({"I420", "Y42B", "444P", "Y41B"})
_PLAIN, _ALIKE = 2.0, 0.5
"""Standard deviation of a picture that shows nothing, and the correlation of a picture with its luma: nearly 1, or
nearly 0 for another picture."""


@dataclass(frozen=True)
class CvPicture:
    """A frame as OpenCV returns it: BGR, not rotated. `image` is cropped."""

    image: base.Image
    index: int
    time_seconds: float
    duration_seconds: float
    pixel_aspect: float
    orientation: Orientation
    changes: base.PictureChanges
    is_damaged: bool = False
    is_whole: bool = False
    gap: base.Gap = ""

    @property
    def num_bytes(self) -> int:
        """Return the size of the BGR image."""
        return self.image.nbytes

    def levels(self) -> base.Image:
        """Return the means of Y, Cb and Cr at CELL_SIZE, as an array of 3 x height x width."""
        planes = cv2.cvtColor(base.scaled(self.image, base.LUMA_SIZE), cv2.COLOR_BGR2YCrCb)
        luma, red, blue = cv2.split(base.scaled(base.as_image(planes), base.CELL_SIZE))
        return base.as_image(np.stack([luma, blue, red]))

    def luma(self) -> base.Image:
        """Return the luma at LUMA_SIZE."""
        return base.as_image(cv2.cvtColor(base.scaled(self.image, base.LUMA_SIZE), cv2.COLOR_BGR2GRAY))

    def upright(self, max_side: int) -> base.Image:
        """Return the picture as shown, its longer side at most `max_side` pixels."""
        size = shown_size(self.image.shape[1], self.image.shape[0], self.pixel_aspect)
        image = uncombed_image(self.image, self.changes)
        return self.orientation.applied(base.scaled(image, base.fitted(*size, max_side)))


class CvReader(base.FrameReader):
    """A FrameReader on cv2.VideoCapture. It yields every frame, whatever `every_frame` says."""

    name = "opencv"
    num_damaged = 0
    reached_seconds = 0.0

    def __init__(self, path: Path, *, every_frame: bool = True) -> None:
        """Open `path` and decode its first frame.

        Raises:
            DecodeError: OpenCV can't decode a frame of the file.
        """
        self._path = path
        # The only way to pass these to OpenCV, which reads them when it opens a file.
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "|".join(
            f"{key};{value}" for key, value in base.OPEN_OPTIONS.items()
        )
        self._capture = _open_capture(path)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._nominal_seconds = 1 / rate if rate > 0 else 1 / 25
        self._clock = base.Clock(self._nominal_seconds)
        self._pace = FramePacing()
        self.changes = base.PictureChanges()
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        header = track_header.read(path)
        rotation = int(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        self._orientation = header.orientation or Orientation(rotation)
        self._pixel_aspect = float(header.pixel_aspect or self._read_pixel_aspect())
        self._crop = header.crop
        first = self._next()
        if first is None or not _is_converted(path, first[0], self._crop):
            self.close()
            raise DecodeError("video_no_frames", name=printable_path(path.name), codec=self._codec())
        self._first: tuple[base.Image, float] | None = first
        self.info = self._describe(first[0], rate)

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    @property
    def is_variable_frame_rate(self) -> bool:
        """Return whether the frames read until now follow each other unevenly."""
        return self._pace.is_variable()

    def frames(self) -> Iterator[CvPicture]:
        """Yield every frame once, in order."""
        index, before = 0, -1.0
        read, self._first = self._first, None
        while read is not None:
            image, raw_seconds = read
            following = self._next()
            if following is not None and raw_seconds > following[1] > before:  # an outlier: the others continue
                raw_seconds = max(0.0, before, following[1] - self._nominal_seconds)
                self.changes.outliers_seconds.append(raw_seconds)
            # A file without timestamps reads as a time that doesn't change.
            time = self._clock.stamp(raw_seconds if raw_seconds > before else None)
            self._pace.push(time)
            self.reached_seconds = max(raw_seconds, time) + self._nominal_seconds
            shown = (self._pixel_aspect, self._orientation, self.changes)
            yield CvPicture(image, index, time, self._nominal_seconds, *shown)
            index, before, read = index + 1, raw_seconds, following

    def _next(self) -> tuple[base.Image, float] | None:
        """Return the next picture and its time according to OpenCV; None at the end."""
        ok, image = self._capture.read()
        if not ok:
            return None
        crop = self._crop if self._crop.fits(image.shape[1], image.shape[0]) else WHOLE
        return crop.cut(base.as_image(image)), self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def _read_pixel_aspect(self) -> Fraction:
        across, down = (int(self._capture.get(part)) for part in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        return Fraction(across, down) if across > 0 and down > 0 else Fraction(1)

    def _codec(self) -> str:
        return _fourcc(self._capture, cv2.CAP_PROP_FOURCC)

    def _describe(self, first: base.Image, rate: float) -> VideoInfo:
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        orientation = self._orientation
        width, height = orientation.size(*shown_size(first.shape[1], first.shape[0], self._pixel_aspect))
        return VideoInfo(
            path=self._path,
            name=readable(self._path.name),
            size_bytes=self._path.stat().st_size,
            container=self._capture.getBackendName().lower(),
            codec=self._codec(),
            pixel_format="bgr24",
            width=width,
            height=height,
            rotation_degrees=orientation.rotation_degrees,
            is_mirrored=orientation.is_mirrored,
            duration_seconds_from_header=count / rate if count > 0 and rate > 0 else None,
            frame_rate=rate if rate > 0 else None,
            num_frames_from_header=count if count > 0 else None,
            start_seconds=0.0,
            has_audio=False,
        )


def _open_capture(path: Path, *options: int) -> cv2.VideoCapture:
    return cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, options)


def _fourcc(capture: cv2.VideoCapture, part: int) -> str:
    code = int(capture.get(part))
    return code.to_bytes(4, "little", signed=False).decode("latin-1").strip("\0 ") if code > 0 else "?"


def _is_converted(path: Path, first: base.Image, crop: Crop) -> bool:
    """Return whether the first picture is the same when it is read again, and looks like its luma.

    OpenCV can't convert frames that are flagged as interlaced, and returns what happens to be in its memory, perhaps
    another picture of this very video.
    """
    again, raw = _open_capture(path), _open_capture(path, cv2.CAP_PROP_CONVERT_RGB, 0)
    for capture in (again, raw):
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    (_, picture), (ok, luma) = again.read(), raw.read()
    has_luma = _fourcc(raw, cv2.CAP_PROP_CODEC_PIXEL_FORMAT) in _PLANAR_8_BIT
    for capture in (again, raw):
        capture.release()
    if picture is not None and not np.array_equal(first, crop.cut(base.as_image(picture))):
        return False
    if not ok or not has_luma or luma.ndim != 2 or not crop.fits(luma.shape[1], luma.shape[0]):
        return True
    luma = crop.cut(base.as_image(luma))
    gray = base.as_image(cv2.cvtColor(first, cv2.COLOR_BGR2GRAY))
    if luma.shape != gray.shape or luma.std() < _PLAIN:
        return True
    return bool(gray.std() > _PLAIN / 2 and np.corrcoef(luma.ravel(), gray.ravel())[0, 1] > _ALIKE)
