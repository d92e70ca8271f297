"""How long each report of a large analysis takes: 2,000 findings in 125 parts, 500 pictures of 1280 × 720.

python -m benchmarks.reports [FORMAT…]
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from benchmarks.row import Row, seconds
from framelens.composition import SAMPLE
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.reports.formats import FORMATS
from tests.app.rich import rich

PARTS, FINDINGS_EACH, CUES = 125, 16, 2000
SECONDS_BOUND = 20.0
_SIZE = (1280, 720)


def run(names: Sequence[str]) -> Iterator[Row]:
    made = large()
    for name in names:
        written: list[bytes] = []
        took = seconds(lambda name=name, written=written: written.append(FORMATS[name].write(made, "zh")))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        note = f"{len(written[0]) / 1e6:.1f} MB, the process at most {peak:.0f} MiB so far"
        yield Row(f"a large report as {name}", took, "s", SECONDS_BOUND, note)


def large() -> Analysis:
    """Return a large analysis, whose pictures have as much in them as a video's."""
    made = rich(AnalysisRequest(SAMPLE), "large", parts=PARTS, findings=FINDINGS_EACH, cues=CUES)
    jpegs = [_picture(seed) for seed in range(4)]
    width, height = _SIZE
    frames = (
        replace(frame, jpeg=jpegs[frame.number % len(jpegs)], width=width, height=height) for frame in made.keyframes
    )
    return replace(made, keyframes=tuple(frames))


def _picture(seed: int) -> bytes:
    """Clouds: coarse noise, drawn large; about 100 KB."""
    noise = np.random.default_rng(seed).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).resize(_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main(names: Sequence[str]) -> int:
    if unknown := [name for name in names if name not in FORMATS]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(FORMATS)}", file=sys.stderr)
        return 2
    rows = []
    for row in run(names or tuple(FORMATS)):
        print(row, flush=True)
        rows.append(row)
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
