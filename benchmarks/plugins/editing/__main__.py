"""Cuts at random, each compared with its video as decoded pictures: `python -m benchmarks.plugins.editing [VIDEO …]`.

An exact clip is right if its pictures, from the first to the last, are the requested pictures. A fast clip is right if
its pictures follow each other without a gap and begin and end when the clip says. Clicks are compared with the pictures
at whose start they sound. `ffprobe` decodes each clip and must warn of nothing; Chromium plays what it can decode.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.plugins.editing.films import FILMS, Film, Watched, make, watch
from framelens.core.errors import AppError
from framelens.plugins.editing.clips.cutter import VideoClip, cut_clip, suffix_of
from framelens.plugins.editing.clips.plan import ClipMode

if TYPE_CHECKING:
    from playwright.sync_api import Page

_EXACT_SECONDS = 0.0015
"""Containers round to milliseconds, at both ends."""
_SAME_SECONDS = 0.0005
"""A time is that of a frame if it is so near: people read and give times in milliseconds."""
_ALIKE = 6.0
"""Mean difference of grey thumbnails, of 255, below which two pictures of a real video are the same."""
_PLAYED = """async (source) => {
  const video = document.createElement("video");
  video.src = source;
  const happens = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true });
    video.addEventListener("error", () => fail(video.error.message), { once: true });
    setTimeout(() => fail(`no ${name}`), 15000);
  });
  await happens("loadeddata");
  const middle = video.duration / 2;
  const seeks = happens("seeked");
  video.currentTime = middle;
  await seeks;
  return { duration: video.duration, off: Math.abs(video.currentTime - middle), width: video.videoWidth };
}"""


@dataclass
class Result:
    """Cuts of a film in a mode.

    Attributes:
        num: Number of cuts.
        wrong: What is wrong with some of them.
        lip_seconds: Distance of each click from its picture.
        played: Whether Chromium played each clip, or None without a decoder.
    """

    num: int = 0
    wrong: list[str] = field(default_factory=list)
    lip_seconds: list[float] = field(default_factory=list)
    played: list[bool | None] = field(default_factory=list)


def main() -> int:
    """Print a row for each film and mode; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO", help="real videos, beside the films made here")
    parser.add_argument("--cuts", type=int, default=200, help="number of all cuts (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="films whose name has this in it")
    given = parser.parse_args()
    choose = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="framelens-clips-") as name, _browser() as page:
        folder = Path(name)
        films = [(make(one, folder), one) for one in FILMS if given.only in one.name]
        videos: list[tuple[Path, Film | None]] = [*films, *((path, None) for path in given.videos)]
        each = max(1, -(-given.cuts // (2 * len(videos))))
        print("| video | mode | cuts | right | largest lip-sync error | plays in Chromium |\n|---|---|---|---|---|---|")
        wrong = []
        for path, film in videos:
            whole = watch(path, is_marked=film is not None)
            for mode in ("exact", "fast"):
                result = Result()
                for _ in range(each):
                    _cut(path, film, whole, mode, choose, folder, page, result)  # type: ignore[arg-type]
                print(_row(path, mode, result), flush=True)
                wrong += result.wrong
        _time(films[1][0] if len(films) > 1 else videos[0][0], folder)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


def _cut(
    path: Path,
    film: Film | None,
    whole: Watched,
    mode: ClipMode,
    choose: random.Random,
    folder: Path,
    page: Page | None,
    result: Result,
) -> None:
    """Cut a random range and note what is wrong with the clip."""
    last = whole.times[-1]
    start = choose.uniform(0.0, last * 0.95)
    end = start + choose.uniform(0.05, min(4.0, max(0.1, last - start + 0.2)))
    output = folder / f"clip{suffix_of(path, mode)}"
    result.num += 1
    where = f"{path.name} {mode} {start:.4f} to {end:.4f}: "
    try:
        clip = cut_clip(path, start, end, output, mode=mode)
    except AppError as error:
        result.wrong.append(where + str(error))
        return
    seen = watch(output, is_marked=film is not None)
    found = [*_wrong_pictures(clip, seen, whole, start, end), *_warnings(output)]
    lips = list(_lip_errors(seen, clip, whole))
    result.lip_seconds += lips
    frame = statistics.median(np.diff(whole.times)) if len(whole.times) > 1 else 0.04
    found += [f"sound is {max(lips):.3f} s from its picture"] if lips and max(lips) > max(0.04, frame) else []
    plays = mode == "exact" or bool(film and film.plays)
    played = _play(page, output, clip) if page and plays else None
    result.played.append(None if played is None else played == "")
    found += [played] if played else []
    result.wrong += [where + one for one in found]


def _wrong_pictures(clip: VideoClip, seen: Watched, whole: Watched, start: float, end: float) -> Iterator[str]:
    first = max(place for place, time in enumerate(whole.times) if time <= start + _SAME_SECONDS)
    last = max(first, max(place for place, time in enumerate(whole.times) if time < end - _SAME_SECONDS))
    if clip.mode == "fast":
        first = min(range(len(whole.times)), key=lambda place: abs(whole.times[place] - clip.start_seconds))
        last = first + len(seen.times) - 1
        if abs(whole.times[first] - clip.start_seconds) > _EXACT_SECONDS:
            yield f"it says that it begins at {clip.start_seconds}, where no picture does"
        if last + 1 < len(whole.times) and abs(whole.times[last + 1] - clip.end_seconds) > _EXACT_SECONDS:
            yield f"it says that it ends at {clip.end_seconds}, and no picture follows there"
        if whole.times[first] > start + _EXACT_SECONDS or clip.end_seconds < min(end, whole.times[-1]) - _EXACT_SECONDS:
            yield "it doesn't hold all that was asked for"
    if len(seen.times) != last - first + 1:
        yield f"{len(seen.times)} pictures instead of {last - first + 1}"
        return
    if seen.numbers[0] is not None or whole.numbers[0] is not None:
        if seen.numbers != whole.numbers[first : last + 1]:
            wanted = f"{whole.numbers[first]} to {whole.numbers[last]}"
            yield f"pictures {seen.numbers[0]} to {seen.numbers[-1]}, not {wanted}"
    else:
        for place in (0, len(seen.thumbs) - 1):
            difference = np.abs(seen.thumbs[place].astype(int) - whole.thumbs[first + place].astype(int)).mean()
            if difference > _ALIKE:
                yield f"picture {place} differs by {difference:.1f}"
    offset = clip.start_seconds
    shifts = [abs(time - (whole.times[first + place] - offset)) for place, time in enumerate(seen.times) if place]
    if shifts and max(shifts) > 2 * _EXACT_SECONDS:
        yield f"a picture is {max(shifts):.4f} s from its time"


def _lip_errors(seen: Watched, clip: VideoClip, whole: Watched) -> Iterator[float]:
    """Yield how far each click is from where the video has it."""
    length = clip.end_seconds - clip.start_seconds
    for heard, sounded in zip(seen.clicks, whole.clicks, strict=False):
        wanted = [one - clip.start_seconds for one in sounded]
        for click in wanted:
            if 0.1 < click < length - 0.1:
                yield min((abs(click - one) for one in heard), default=1.0)


def _warnings(path: Path) -> Iterator[str]:
    words = ["ffprobe", "-v", "warning", "-count_frames", "-show_streams", "-show_format", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        yield f"ffprobe: {done.stderr.strip()[:200]}"


def _row(path: Path, mode: str, result: Result) -> str:
    wrong = len({one.partition(": ")[0] for one in result.wrong})
    lips = f"{1000 * max(result.lip_seconds):.0f} ms" if result.lip_seconds else "–"
    known = [one for one in result.played if one is not None]
    plays = f"{sum(known)} of {len(known)}" if known else "–"
    return f"| {path.name} | {mode} | {result.num} | {result.num - wrong} | {lips} | {plays} |"


# ---- in a browser


@contextmanager
def _browser() -> Iterator[Page | None]:
    """Yield a page of Chromium that may open files, or None without Chromium."""
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        words = ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
        browser = playwright.chromium.launch(executable_path=str(chromium), args=words)
        yield browser.new_page()
        browser.close()


def _play(page: Page, path: Path, clip: VideoClip) -> str:
    """Play a clip and seek to its middle; return what is wrong, "" if nothing is."""
    html = path.with_name("play.html")
    html.write_text("<!doctype html><title>Clip</title>")
    page.goto(html.as_uri())
    try:
        said = page.evaluate(_PLAYED, path.as_uri())
    except Exception as error:  # noqa: BLE001 - whatever the browser says
        return f"Chromium: {str(error).splitlines()[0][:160]}"
    wanted = clip.end_seconds - clip.start_seconds
    if not said["width"] or said["off"] > 0.01 or abs(said["duration"] - wanted) > 0.1:
        return f"Chromium: {said}, for {wanted:.3f} s"
    return ""


# ---- how long it takes


def _time(path: Path, folder: Path, times: int = 5) -> None:
    """Print the time of exact cuts beside FFmpeg's own command with the same encoder, in turns."""
    ours, theirs = [], []
    options = ["-c:v", "libx264", "-preset", "fast", "-crf", "18", "-c:a", "aac"]
    for _ in range(times):
        begun = time.perf_counter()
        cut_clip(path, 2.0, 8.0, folder / "ours.mp4")
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        words: Sequence[str] = ["ffmpeg", "-v", "error", "-y", "-ss", "2", "-to", "8", "-i", str(path), *options]
        subprocess.run([*words, str(folder / "theirs.mp4")], check=True)
        theirs.append(time.perf_counter() - begun)
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"\nAn exact cut of 6 s from {path.name}: {mine:.2f} s, FFmpeg's command {peer:.2f} s ({mine / peer:.1f}).")


if __name__ == "__main__":
    sys.exit(main())
