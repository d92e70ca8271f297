"""Pictures of different videos fitted to one size, upright on black, so that they can be joined."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from framelens.video.readers.base import as_image, reformatted
from framelens.video.readers.picture import AvPicture


def canvas_frame(picture: AvPicture, size: tuple[int, int]) -> VideoFrame:
    """Return a picture as a frame of this width and height, as large as fits, in 8 bits of BT.709."""
    width, height = size
    image = picture.upright(max(size))
    scale = min(width / image.shape[1], height / image.shape[0])
    inside = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    if inside != (image.shape[1], image.shape[0]):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = as_image(cv2.resize(image, inside, interpolation=way))
    paper = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    paper[top : top + inside[1], left : left + inside[0]] = image
    frame = VideoFrame.from_ndarray(paper, format="bgr24")
    return reformatted(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
