"""The picture that stands for a video in the library."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest, Keyframe
from framelens.jobs.snapshot import JobSnapshot
from framelens.jobs.stored.library_entries import cover
from tests.cards import draw_card, to_jpeg


def test_a_card_of_a_second_does_not_stand_for_a_minute() -> None:
    times = {1.0: "green", 20.0: "green", 40.0: "green", 41.0: "blue", 42.0: "red", 59.0: "red"}
    shots = {"green": 1, "blue": 2, "red": 3}
    frames = tuple(
        Keyframe(number, number, time, "shot", shots[colour], 64, 64, to_jpeg(draw_card(colour, width=64, height=64)))
        for number, (time, colour) in enumerate(times.items(), start=1)
    )
    job = JobSnapshot("job", "a.mp4", "2026", AnalysisRequest(Path("a.mp4")), progress=AnalysisState(keyframes=frames))
    with Image.open(BytesIO(cover(job))) as picture:
        red, green, blue = picture.convert("RGB").resize((1, 1)).tobytes()
    assert green > max(red, blue)
