"""Measure the search by picture and meaning: `python -m benchmarks.plugins.search [OPTIONS]`.

Clips are drawn as the training pictures of tests/fixtures/tiny-search are, from other seeds. Thresholds are chosen on
one library and measured on another. The third part of what is asked for is in no clip: the right answer is nothing.
--videos asks with frames of real videos, without a model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.footage import clips_in
from benchmarks.plugins.search.planted import FRAMES, PAIRS, Clip, Thing, draw_clips, fill, stored, to_jpeg
from benchmarks.plugins.search.small import print_small
from benchmarks.plugins.search.views import print_views
from framelens import MomentHits, config
from framelens.plugin.files import Region
from framelens.plugin.storage import MomentQuery
from framelens.plugins.search.encoder import Encodable, Encoder, Encoders
from framelens.plugins.search.moment_index import MomentIndex, with_changes
from framelens.plugins.search.vectors import VectorTable
from scripts.test_models.things import background, captions, draw_thing, paste

_CLIPS, _ABSENT = 300, 14
_MODEL = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "tiny-search"
_PRESENT, _MISSING = PAIRS[:-_ABSENT], PAIRS[-_ABSENT:]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="time a search of 1,000,000 vectors alone")
    parser.add_argument("--videos", type=Path, nargs="+", help="clips or folders: ask with frames of these")
    parser.add_argument("--model", type=Path, default=_MODEL)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="framelens-bench-") as folder:
        if options.million:
            _measure_million(Path(folder))
        elif options.videos:
            print_views(Path(folder), clips_in(options.videos))
        else:
            _measure_library(Path(folder), options.model)
    return 0


# ---- the planted library


def _measure_library(folder: Path, model: Path) -> None:
    encoders = Encoders(config.load({"FRAMELENS_SEARCH_MODEL": str(model), "FRAMELENS_DATA_DIR": str(folder)}), None)
    _print_thresholds(encoders.current(), np.random.default_rng(101))
    clips = draw_clips(_CLIPS, _PRESENT, seed=202)
    store, library = fill(folder, clips)
    by_id = {clip.id: clip for clip in clips}
    index = MomentIndex(
        store, library, frames=lambda job_id: by_id[job_id].indexed(), details=with_changes, encoders=encoders
    )
    began = time.perf_counter()
    index.catch_up()
    num_frames = sum(len(clip.frames) for clip in clips)
    print(f"index: {1000 * (time.perf_counter() - began) / num_frames:.1f} ms a keyframe of {num_frames}")
    rng = np.random.default_rng(303)
    asked: dict[str, Callable[[Thing], MomentQuery]] = {
        "words, English": lambda thing: MomentQuery(captions(*thing)[1]),
        "words, Chinese": lambda thing: MomentQuery(captions(*thing)[-1]),
        "picture": lambda thing: MomentQuery("", _picture(thing, rng)),
        "both": lambda thing: MomentQuery(captions(*thing)[1], _picture(thing, rng)),
        "beside another": lambda thing: MomentQuery("", _picture_of_two(thing, rng)[0]),
        "a part of that": lambda thing: _part_of_two(thing, rng),
    }
    print(f"{'asked by':<16} recall@10  precision  first right  'nothing' of {len(_MISSING)}")
    plain = MomentIndex(store, library)
    _print_line("words, no model", plain.find, lambda thing: MomentQuery(captions(*thing)[0]), by_id)
    for name, query_of in asked.items():
        _print_line(name, index.find, query_of, by_id)
    _print_copies(index, clips)
    print_small(folder, encoders, _PRESENT)
    index.close()
    store.close()


def _picture(thing: Thing, rng: np.random.Generator) -> bytes:
    return to_jpeg(paste(background(rng), draw_thing(*thing, rng), rng))


def _picture_of_two(thing: Thing, rng: np.random.Generator) -> tuple[bytes, Region]:
    """Draw a thing beside another that is in no clip; return the picture and the part with the thing."""
    other = _MISSING[int(rng.integers(len(_MISSING)))]
    halves = [paste(background(rng), draw_thing(*drawn, rng), rng) for drawn in (thing, other)]
    width, height = halves[0].size
    picture = Image.new("RGB", (2 * width, height))
    for number, half in enumerate(halves):
        picture.paste(half, (number * width, 0))
    return to_jpeg(picture), (0.0, 0.0, 0.5, 1.0)


def _part_of_two(thing: Thing, rng: np.random.Generator) -> MomentQuery:
    picture, region = _picture_of_two(thing, rng)
    return MomentQuery("", picture, region=region)


def _print_line(
    name: str,
    find: Callable[[MomentQuery], MomentHits],
    query_of: Callable[[Thing], MomentQuery],
    clips: dict[str, Clip],
) -> None:
    recalls, precisions, firsts = [], [], []
    for thing in _PRESENT:
        right = {(clip.id, shot) for clip in clips.values() for shot, shown in enumerate(clip.shots) if shown == thing}
        hits = find(query_of(thing)).moments
        places = [(hit.job_id, int(hit.time_seconds) // FRAMES) for hit in hits]
        recalls.append(len(right & set(places[:10])) / min(10, len(right)))
        precisions += [place in right for place in places]
        firsts.append(bool(places) and places[0] in right)
    nothing = sum(not find(query_of(thing)).moments for thing in _MISSING)
    print(f"{name:<16} {np.mean(recalls):9.3f}  {np.mean(precisions):9.3f}  {np.mean(firsts):11.3f}  {nothing:12d}")


def _print_copies(index: MomentIndex, clips: list[Clip]) -> None:
    """Ask with a frame of a clip: its own moment is to be the first."""
    right = 0
    for clip in clips[:100]:
        shot = next((place for place, thing in enumerate(clip.shots) if thing), 0)
        hits = index.find(MomentQuery(picture=clip.frames[shot * FRAMES + 1])).moments
        right += bool(hits) and (hits[0].job_id, int(hits[0].time_seconds)) == (clip.id, shot * FRAMES + 1)
    print(f"a frame as the query: its own moment is first in {right} of 100")


def _print_thresholds(encoder: Encoder | None, rng: np.random.Generator) -> None:
    """Print the cosines that divide pairs of the same thing from others best, on pictures of their own."""
    things = [(thing, _vector(encoder, Encodable(jpeg=_picture(thing, rng)))) for thing in PAIRS for _ in range(4)]
    texts = [(thing, _vector(encoder, Encodable(text))) for thing in PAIRS for text in captions(*thing)[::2]]
    text_pairs = [(first == second, a @ b) for first, a in texts for second, b in things]
    picture_pairs = [(things[i][0] == things[j][0], things[i][1] @ things[j][1]) for i, j in _pairs(len(things))]
    for name, pairs in (("text", text_pairs), ("picture", picture_pairs)):
        same, cosines = np.array([is_same for is_same, _ in pairs]), np.array([cosine for _, cosine in pairs])
        steps = np.arange(0.0, 1.0, 0.01)
        scores = np.array([_f_score(same, cosines >= step) for step in steps])
        best = steps[scores == scores.max()]
        print(f"least_{name}: {best.mean():.2f} of {best[0]:.2f} to {best[-1]:.2f} (F1 {scores.max():.3f})")


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((first, second) for first in range(count) for second in range(first))


def _f_score(same: np.ndarray, accepted: np.ndarray) -> float:
    return float(2 * (same & accepted).sum() / max(1, same.sum() + accepted.sum()))


def _vector(encoder: Encoder | None, item: Encodable) -> np.ndarray:
    assert encoder, "the folder lacks files"
    (vector,) = encoder.vectors([item])
    assert vector is not None
    return vector / np.linalg.norm(vector)


# ---- a million vectors


def _measure_million(folder: Path, *, jobs: int = 10_000, frames: int = 100, width: int = 512) -> None:
    """Time searches of 10,000 reports with 100 frames each, and print the memory of the process."""
    import psutil

    ids = [f"job{number:05d}" for number in range(jobs)]
    store, _ = stored(folder / "framelens.sqlite", dict.fromkeys(ids, frames))
    table, rng = VectorTable(store), np.random.default_rng(1)
    for job_id in ids:
        vectors = rng.standard_normal((frames, width)).astype(np.float32)
        table.put(job_id, "picture", "model", [(place, float(place), place) for place in range(frames)], list(vectors))
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(6):
        query = rng.standard_normal(width).astype(np.float32)
        began = time.perf_counter()
        table.nearest("picture", "model", query, hidden=frozenset(), least=-1.0, most=400)
        name = "first search, which reads them" if not number else "search"
        print(f"{name}: {1000 * (time.perf_counter() - began):.0f} ms")
    print(f"memory: {(process.memory_info().rss - before) / 2**20:.0f} MiB for {jobs * frames:,} x {width}")
    store.close()


if __name__ == "__main__":
    sys.exit(main())
