"""The scenes that PySceneDetect finds with its own settings: `python with_scenedetect.py VIDEO content|adaptive`.

Prints JSON: [[start_seconds, end_seconds], …]. Runs in the peers' environment and imports nothing of FrameLens.
"""

from __future__ import annotations

import json
import sys

from scenedetect import AdaptiveDetector, ContentDetector, detect

DETECTORS = {"content": ContentDetector, "adaptive": AdaptiveDetector}


def main(path: str, detector: str) -> None:
    scenes = detect(path, DETECTORS[detector](), start_in_scene=True)
    json.dump([[start.seconds, end.seconds] for start, end in scenes], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
