"""`python -m benchmarks.analysis.once URL DATA VIDEO FRAMES IN_FLIGHT`: a whole analysis in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.analysis.whole import App
from framelens.core.domain import AnalysisRequest

if __name__ == "__main__":
    url, data, video, frames, in_flight = sys.argv[1:]
    App(url, Path(data), in_flight=int(in_flight)).course(AnalysisRequest(Path(video), frames=int(frames)))
