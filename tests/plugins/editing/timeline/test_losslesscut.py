"""Projects of LosslessCut: valid JSON below their comments, with segments at a player's times."""

import json
from dataclasses import replace
from typing import Any

import pytest

from framelens.core.domain import Analysis, Finding
from framelens.plugins.editing.timeline import losslesscut
from framelens.reports.formats import FORMATS
from tests.reports.content.test_labels import part, rich
from tests.reports.test_questions import asked
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

pytestmark = pytest.mark.usefixtures("english")


def project(made: Analysis) -> dict[str, Any]:
    """The JSON below the comments, each of them a line for JSON5 as well."""
    text = losslesscut.write(made, "en").decode()
    assert not set(text) & {"\u2028", "\u2029", "\r"}
    lines = text.split("\n")
    begin = lines.index("{")
    assert all(line.startswith("// ") for line in lines[:begin])
    read: dict[str, Any] = json.loads("\n".join(lines[begin:]))
    return read


def segments(made: Analysis) -> list[tuple[float, float, str]]:
    return [(one["start"], one["end"], one["name"]) for one in project(made)["cutSegments"]]


def test_project_has_version_video_and_segments() -> None:
    # Project names its version and its video.
    made = project(rich())
    assert (made["version"], made["mediaFileName"]) == (2, rich().video.name)
    assert set(made) == {"version", "mediaFileName", "cutSegments"}
    assert all(set(one) == {"start", "end", "name"} for one in made["cutSegments"])
    # Findings and chapters are segments by time.
    made = rich(chunks=(part(1, 1, 2, 4, findings=(Finding("Short.", (4,)), Finding("Long.", (1, 4)))),))
    assert made.summary
    bare = replace(made, summary=None)
    assert segments(bare) == [(0.5, 4.0, "Long."), (4.0, 5.0, "Short.")]
    starts = [start for start, *_ in segments(made)]
    assert starts == sorted(starts) and len(starts) == 2 + len(made.summary.chapters)


def test_segments_are_those_of_a_player() -> None:
    # Segments have the times of a player.
    made = replace(rich(chunks=(part(1, 4, findings=(Finding("Short.", (4,)),)),)), summary=None)
    late = replace(made, video=replace(made.video, start_seconds=3.4, player_start_seconds=2.0))
    assert segments(late) == [(6.0, 7.0, "Short.")]
    # Intervals that were found are segments.
    found = [segment for segment in segments(asked()) if segment[2].startswith("a <b>red</b> card")]
    assert [one[:2] for one in found] == [(2.0, 3.0), (6.0, 7.0)]
    assert "⚠️" not in found[0][2] and "⚠️" in found[1][2]
    # Nothing to cut is no project.
    assert FORMATS["llc"].fits(rich())
    assert not FORMATS["llc"].fits(analysis(chunks=(), engine=None, summary=None))


@pytest.mark.parametrize("text", [*HOSTILE, NASTY, '"}]}', "*/ // x", "\u2028{"])
def test_text_of_anybody_stays_in_its_name(text: str) -> None:
    made = rich(chunks=(part(1, 1, findings=(Finding(text, (1,)), Finding("Next.", (1,)))),))
    assert made.engine
    made = replace(made, engine=replace(made.engine, model=f"a{text}"))
    assert "Next." in [name for *_, name in segments(made)]
