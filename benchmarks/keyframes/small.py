"""Small fast things to find: subjects under a hundredth of the picture, there for 0.3 to 0.7 s or moving all the time.

Balls, thrown boxes and birds, drawn with the blur of a shutter, cross footage of a fixed camera, or of a hand that
trembles: the larger picture is moved and turned, and the subject with it. In a screen recording a pointer that rests
moves to another place and clicks, which a ring shows. Each is an event of a video in truth.json, as make_events.py
writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.keyframes.kinds import FONT, Chance, Picture, text, to_picture

RATE = 25
_EVERY_SECONDS = 18.0
"""One event in each part of this length."""
_LEAST_SHARE, _MOST_SHARE = 0.0008, 0.008
"""Of the picture that a subject covers, wings and spin included."""
_BRIEF, _LASTING = (0.3, 0.7), (1.2, 3.0)
_MARGIN = 1.2
"""Size of the scene of which a hand-held camera sees a part."""
_MOST_FRAMES = 400
_SHUTTER, _BLURS = 0.5, 6
"""Share of a frame's time in which light is collected, and the moments that are drawn of it."""
_FIXED_POINT = 16
CAMERAS = ("fixed", "hand", "screen")
Place = tuple[float, float]
Path2D = Callable[[float], Place]
Subject = Callable[[Picture, Place, float], None]
"""Draws itself into a picture, at a place and a time in seconds."""


@dataclass(frozen=True)
class Event:
    """Subject on its way, in the frames [first, end)."""

    type: str
    first: int
    end: int
    subject: Subject
    path: Path2D

    def paint(self, picture: Picture, number: int) -> Picture:
        """Return the picture with the subject, blurred by its movement."""
        sharp = []
        for part in range(_BLURS):
            sharp.append(picture.copy())
            time = (number - self.first + _SHUTTER * part / _BLURS) / RATE
            self.subject(sharp[-1], self.path(time * RATE / (self.end - self.first)), time)
        return to_picture(np.mean(sharp, axis=0))


def compose(folder: Path, clips: Sequence[Path], seed: int, seconds: float, size: tuple[int, int]) -> None:
    """Add a video of each clip to the folder and its truth.json, and one of a screen; cameras take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    truth_file = folder / "truth.json"
    truth: dict[str, Any] = {"fps": RATE, "seed": seed, "videos": {}}
    if truth_file.exists():
        truth = json.loads(truth_file.read_text())
    for number, clip in enumerate([*clips, None]):
        camera = "screen" if clip is None else CAMERAS[(number + seed) % 2]
        name = f"s{seed}_small{number}_{camera}.mp4"
        chance = np.random.default_rng([seed, number])
        events = planted(chance, camera, seconds, size)
        pictures = screen(chance, events, size) if clip is None else footage(chance, clip, camera, events, size)
        _encode(folder / name, islice(pictures, round(seconds * RATE)), size)
        truth["videos"][name] = {"kind": "events", "duration": seconds, "events": _truths(events)}
        truth_file.write_text(json.dumps(truth, indent=1))
        print(name, len(events), flush=True)


def _truths(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [
        {"id": number, "type": event.type, "t0": event.first / RATE, "t1": event.end / RATE}
        for number, event in enumerate(events)
    ]


def planted(chance: Chance, camera: str, seconds: float, size: tuple[int, int]) -> list[Event]:
    """Return what happens before a camera, one in each part, in turn brief and lasting."""
    events = list[Event]()
    place = (size[0] / 2, size[1] / 2)
    for number in range(int(seconds / _EVERY_SECONDS)):
        is_brief = camera == "screen" or number % 2 == 0
        length = round(chance.uniform(*(_BRIEF if is_brief else _LASTING)) * RATE)
        first = round((number + chance.uniform(0.1, 0.8)) * _EVERY_SECONDS * RATE)
        if camera == "screen":
            goal = float(chance.uniform(20, size[0] - 30)), float(chance.uniform(20, size[1] - 30))
            events.append(Event("small_click", first, first + length, _click(length / RATE), _glide(place, goal)))
            place = goal
            continue
        kind = f"small_{'brief' if is_brief else 'moving'}_{camera}"
        subject = SUBJECTS[int(chance.integers(len(SUBJECTS)))](chance, _radius(chance, size))
        path = (_across if is_brief else _about)(chance, scene_size(camera, size))
        events.append(Event(kind, first, first + length, subject, path))
    return events


def _radius(chance: Chance, size: tuple[int, int]) -> float:
    share = math.exp(chance.uniform(math.log(_LEAST_SHARE), math.log(_MOST_SHARE)))
    return math.sqrt(share * size[0] * size[1] / math.pi)


def ball(chance: Chance, radius: float) -> Subject:
    """Draw a ball of one colour with a lighter side."""
    colour, shine = _colours(chance)

    def draw(picture: Picture, place: Place, _: float) -> None:
        _disc(picture, place, radius, colour)
        _disc(picture, (place[0] - radius / 3, place[1] - radius / 3), radius / 2, shine)

    return draw


def box(chance: Chance, radius: float) -> Subject:
    """Draw a thrown box that spins, with a stripe of another colour."""
    colour, stripe = _colours(chance)
    spin, shape = chance.uniform(-9, 9), chance.uniform(0.5, 1.0)

    def draw(picture: Picture, place: Place, time: float) -> None:
        for shade, half in ((colour, shape), (stripe, shape / 3)):
            corners = [(-1, -half), (1, -half), (1, half), (-1, half)]
            _polygon(picture, place, corners, radius, spin * time, shade)

    return draw


def bird(chance: Chance, radius: float) -> Subject:
    """Draw a bird that beats its wings."""
    colour, wing = _colours(chance)
    beat = chance.uniform(20, 45)

    def draw(picture: Picture, place: Place, time: float) -> None:
        lift = 0.8 * math.sin(beat * time)
        for side in (-1, 1):
            _polygon(picture, place, [(0, -0.25), (1.4 * side, -lift), (0, 0.3)], radius, 0, wing)
        _polygon(picture, place, [(-0.7, 0), (0, -0.3), (0.8, -0.1), (0, 0.35)], radius, 0, colour)

    return draw


SUBJECTS = (ball, box, bird)


def _colours(chance: Chance) -> tuple[list[int], list[int]]:
    """Return light and dark grey, or two shades of a colour: what no ground hides, or it is no event."""
    if chance.random() < 0.5:
        return [225, 225, 225], [30, 30, 30]
    hue, strength, light = chance.uniform((0, 0.6, 0.55), (6, 1, 1))
    distances = np.abs((hue + np.array([0, 2, 4])) % 6 - 3)
    colour = 255 * light * (1 - strength * (1 - np.clip(distances - 1, 0, 1)))
    return colour.astype(int).tolist(), (0.6 * colour).astype(int).tolist()


def _disc(picture: Picture, place: Place, radius: float, colour: list[int]) -> None:
    x, y, size = (round(value * _FIXED_POINT) for value in (*place, radius))
    cv2.circle(picture, (x, y), size, colour, -1, cv2.LINE_AA, 4)


def _polygon(
    picture: Picture, place: Place, corners: Sequence[Place], radius: float, angle: float, colour: list[int]
) -> None:
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    points = (np.array(corners) @ turn * radius + place) * _FIXED_POINT
    cv2.fillPoly(picture, [points.round().astype(np.int32)], colour, cv2.LINE_AA, 4)


def _across(chance: Chance, size: tuple[int, int]) -> Path2D:
    """Return a throw through the picture: from one side, up and down again."""
    width, height = size
    start, end = (chance.permutation([0.14, 0.86]) * width).tolist()
    end = start + (end - start) * chance.uniform(0.5, 1.0)
    top, fall = chance.uniform(0.2, 0.6) * height, chance.uniform(0.05, 0.3) * height
    return lambda share: (start + (end - start) * share, top + fall * (4 * (share - 0.4) ** 2 - 0.4))


def _about(chance: Chance, size: tuple[int, int]) -> Path2D:
    """Return a way about a part of the picture that is never the same."""
    centre = chance.uniform((0.3, 0.3), (0.7, 0.7)) * size
    reach = chance.uniform((0.12, 0.1), (0.25, 0.25)) * size
    turns, phase = chance.uniform(0.6, 2.0, 2) * 2 * math.pi, chance.uniform(0, 2 * math.pi, 2)
    return lambda share: tuple((centre + reach * np.sin(turns * share + phase)).tolist())


def _glide(start: Place, goal: Place) -> Path2D:
    """Return the way of a pointer, which arrives after half of the time."""

    def path(share: float) -> Place:
        eased = 0.5 - 0.5 * math.cos(math.pi * min(1.0, 2 * share))
        return start[0] + (goal[0] - start[0]) * eased, start[1] + (goal[1] - start[1]) * eased

    return path


def _pointer(picture: Picture, place: Place, _: float = 0.0) -> None:
    for size, colour in ((12.0, [255, 255, 255]), (10.0, [0, 0, 0])):
        _polygon(picture, place, [(0, 0), (1, 1), (0, 1.4)], size, 0, colour)


def _click(seconds: float) -> Subject:
    def draw(picture: Picture, place: Place, time: float) -> None:
        since = (time - seconds / 2) / (seconds / 2)
        if since >= 0:
            x, y = round(place[0]), round(place[1])
            cv2.circle(picture, (x, y), round(5 + 9 * since), (60, 120, 230), 2, cv2.LINE_AA)
        _pointer(picture, place)

    return draw


def footage(
    chance: Chance, clip: Path, camera: str, events: Sequence[Event], size: tuple[int, int]
) -> Iterator[Picture]:
    """Yield the clip forwards and backwards, 25 pictures a second, with the events, as its camera sees them."""
    whole = scene_size(camera, size)
    frames, rate = _scene(clip, whole)
    steps = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    shake = _shake(chance)
    for number in count():
        picture = frames[steps[int(number * rate / RATE) % len(steps)]]
        event = _event_at(events, number)
        picture = event.paint(picture, number) if event else picture
        if camera == "hand":
            across, down, angle = shake(number / RATE)
            view = cv2.getRotationMatrix2D((whole[0] / 2, whole[1] / 2), angle, 1.0)
            view[0, 2] += (across - (_MARGIN - 1) / 2) * size[0]
            view[1, 2] += (down - (_MARGIN - 1) / 2) * size[1]
            picture = to_picture(cv2.warpAffine(picture, view, size, borderMode=cv2.BORDER_REFLECT))
        yield picture


def scene_size(camera: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the picture of which a camera sees a part, or all."""
    factor = _MARGIN if camera == "hand" else 1.0
    return round(size[0] * factor), round(size[1] * factor)


def _shake(chance: Chance) -> Callable[[float], tuple[float, float, float]]:
    """Return how a hand sways and trembles: shares of the width and height, and degrees, at a time."""
    speeds = np.outer(2 * math.pi * np.array([0.13, 0.45, 1.3, 5.0]), chance.uniform(0.8, 1.25, 3))
    phases = chance.uniform(0, 2 * math.pi, (4, 3))
    reach = np.outer([0.026, 0.014, 0.005, 0.0012], [1, 1.2, 45])

    def shake(seconds: float) -> tuple[float, float, float]:
        across, down, angle = (reach * np.sin(speeds * seconds + phases)).sum(axis=0).tolist()
        return across, down, angle

    return shake


def _scene(clip: Path, size: tuple[int, int]) -> tuple[list[Picture], float]:
    """Return the clip's first frames, cropped to the shape of this size, and their rate."""
    video = cv2.VideoCapture(str(clip))
    frames = list[Picture]()
    while len(frames) < _MOST_FRAMES:
        is_read, frame = video.read()
        if not is_read:
            break
        factor = max(size[0] / frame.shape[1], size[1] / frame.shape[0])
        whole = tuple(max(wanted, round(side * factor)) for wanted, side in zip(size, frame.shape[1::-1], strict=True))
        large = cv2.resize(frame, whole, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        x, y = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
        frames.append(to_picture(large[y : y + size[1], x : x + size[0]]))
    return frames, video.get(cv2.CAP_PROP_FPS) or RATE


def screen(chance: Chance, events: Sequence[Event], size: tuple[int, int]) -> Iterator[Picture]:
    """Yield a page with a clock; a pointer rests, and moves and clicks in the events."""
    page = np.full((size[1], size[0], 3), 246, np.uint8)
    for line in range(2, size[1] // 20):
        cv2.putText(page, text(chance, 44), (20, 20 * line), FONT, 0.4, (50, 50, 50), 1, cv2.LINE_AA)
    rest = (size[0] / 2, size[1] / 2)
    for number in count():
        picture = page.copy()
        clock = f"{number // RATE // 60:02d}:{number // RATE % 60:02d}"
        cv2.putText(picture, clock, (size[0] - 70, 22), FONT, 0.5, (90, 40, 40), 1, cv2.LINE_AA)
        event = _event_at(events, number)
        if event is not None:
            picture, rest = event.paint(picture, number), event.path(1.0)
        else:
            _pointer(picture, rest)
        yield picture


def _event_at(events: Sequence[Event], number: int) -> Event | None:
    return next((event for event in events if event.first <= number < event.end), None)


def _encode(path: Path, pictures: Iterator[Picture], size: tuple[int, int]) -> None:
    options = {"preset": "superfast", "crf": "25", "g": "250"}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
