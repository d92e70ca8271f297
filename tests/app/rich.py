"""A report with everything that a report can hold: parts, fields, chapters, a reply, a transcript, joins, troubles.

As large as is asked for, so that the same stands for a clip and for hours. Its pictures are plain cards.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace

from framelens.analysis.task import Task
from framelens.core.domain import (
    Analysis,
    AnalysisRequest,
    Chapter,
    ChunkResult,
    Cue,
    DecodeSummary,
    Finding,
    FrameFacts,
    Keyframe,
    Layout,
    Notice,
    Transcript,
    Usage,
)
from framelens.core.events import (
    AnalysisEvent,
    AnswerDelta,
    ChunkDone,
    FactsMeasured,
    Finished,
    Heard,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Planned,
    Probed,
    StageStarted,
)
from tests.app.fake_services import Run, analysis, decode, facts, video_info, wait
from tests.cards import draw_card, to_jpeg

FRAMES_EACH = 4
SECONDS_EACH = 2.5
KINDS = ("appears", "moves", "leaves")
CONDITIONS = {"app": "0.1.0 (1)", "model": "/models/Tiny-VL", "template": "log 1234abcd", "speech": ""}


def frames(number: int) -> tuple[Keyframe, ...]:
    """So many frames, SECONDS_EACH apart, in two colours."""
    pictures = [to_jpeg(draw_card(colour, width=160, height=90)) for colour in ("red", "blue")]
    return tuple(
        Keyframe(
            place + 1,
            round(place * SECONDS_EACH * 10),
            place * SECONDS_EACH,
            "shot",
            place + 1,
            160,
            90,
            pictures[place % 2],
        )
        for place in range(number)
    )


def layout(parts: int) -> Layout:
    """Parts of FRAMES_EACH frames."""
    runs = tuple(tuple(range(1 + place * FRAMES_EACH, 1 + (place + 1) * FRAMES_EACH)) for place in range(parts))
    return Layout(448, FRAMES_EACH, 4, 218.0, True, runs)


def part(place: int, *, findings: int, model: str = "Tiny-VL") -> ChunkResult:
    """The answer to the part at this place, counted from 0."""
    first = 1 + place * FRAMES_EACH
    numbers = tuple(range(first, first + FRAMES_EACH))
    found = tuple(_finding(place, at, numbers[at % FRAMES_EACH], model) for at in range(findings))
    return ChunkResult(
        first,
        numbers,
        "messages",
        f"the answer of part {place + 1}",
        found,
        (Finding(f"In part {place + 1} somebody crosses the yard.", numbers[:2]),),
        f"PROMPT OF PART {place + 1}",
        "stop",
        Usage(1200, 160),
        2.5,
        troubles=("repeats",) if place == 1 else (),
        attempts=2 if place == 1 else 1,
        key=f"settings.part.{place}",
    )


def _finding(place: int, at: int, frame: int, model: str) -> Finding:
    fields = {"kind": KINDS[at % 3], "who": f"the man in the {'red' if at % 2 else 'blue'} jacket"}
    issues = ("no_frame",) if at == 2 else ()
    text = f"A man walks past the gate with a parcel, seen by {model}, number {place}.{at}."
    return Finding(text, () if issues else (frame,), issues, fields)


def summary(parts: int) -> ChunkResult:
    """The account of the whole, with as many chapters as there are parts, five at most."""
    total = parts * FRAMES_EACH
    chapters = tuple(
        Chapter(f"Chapter {place + 1}: at the gate", "Somebody waits there.", 1 + place * FRAMES_EACH, start, end)
        for place, (start, end) in enumerate(_chapter_spans(min(5, parts), total * SECONDS_EACH))
    )
    return ChunkResult(
        0,
        tuple(range(1, total + 1)),
        "text",
        '{"title": "An afternoon at the gate"}',
        (),
        (
            Finding("A man brings a parcel and leaves.", (1, total)),
            Finding("Nobody answers at 01:30.", (), ("own_time",)),
        ),
        "PROMPT OF THE SUMMARY",
        "stop",
        Usage(900, 120),
        1.5,
        title="An afternoon at the gate",
        chapters=chapters,
        reply=(Finding("The man in the red jacket comes to the door.", (2, 3)),),
        key="settings.join.all",
    )


def join(parts: int) -> ChunkResult:
    """A step on the way to the summary."""
    return replace(summary(parts), number=-1, chapters=(), reply=(), key="settings.join.some")


def _chapter_spans(count: int, seconds: float) -> Iterator[tuple[float, float]]:
    for place in range(count):
        yield place * seconds / count, (place + 1) * seconds / count


def whole_decode(parts: int) -> DecodeSummary:
    """What was read: to the end of the last frame."""
    return replace(decode(), readable_seconds=parts * FRAMES_EACH * SECONDS_EACH)


def transcript(cues: int = 3) -> Transcript:
    return Transcript(
        "subtitles", "English", tuple(Cue(n * 2.0, n * 2.0 + 1.5, f"Spoken line {n}.") for n in range(cues))
    )


def measured(number: int) -> tuple[FrameFacts, ...]:
    return tuple(replace(facts()[1], number=place + 1) for place in range(number))


def rich(
    request: AnalysisRequest,
    job_id: str,
    *,
    parts: int = 3,
    findings: int = 4,
    cues: int = 3,
    model: str = "Tiny-VL",
    without: frozenset[int] = frozenset(),
) -> Analysis:
    """The whole report; `without` are the places of parts that could not be answered."""
    answered = tuple(part(place, findings=findings, model=model) for place in range(parts) if place not in without)
    bare = analysis(request, job_id, chunks=answered)
    assert bare.engine
    return replace(
        bare,
        engine=replace(bare.engine, model=f"/models/{model}"),
        keyframes=frames(parts * FRAMES_EACH),
        decode=whole_decode(parts),
        facts=measured(parts * FRAMES_EACH),
        summary=None if without else summary(parts),
        joins=(join(parts),) if parts > 8 else (),
        layout=layout(parts),
        transcript=transcript(cues),
        conditions=CONDITIONS,
        field_names={"kind": "Event", "who": "Who or what"},
        notices=(Notice("sound_not_analysed", {}, "info"),),
    )


def script(*, parts: int = 3, findings: int = 4, hold: threading.Event | None = None) -> Run:
    """A run that answers part after part, as an engine with room for one request at a time; an earlier run's answers
    are taken over. With `hold` it waits in the middle of its second part.
    """

    def run(task: Task) -> Iterator[AnalysisEvent]:
        made = rich(task.request, task.job_id, parts=parts, findings=findings)
        assert made.summary
        yield from opening(made)
        chunks = []
        for place, usual in enumerate(made.chunks):
            chunk = task.done.result(usual.key, usual.number)
            is_kept = chunk is not None
            chunk = chunk or _otherwise(usual, is_again=usual.number in task.done.again)
            yield ModeChosen(chunk.number, "messages")
            yield AnswerDelta(chunk.number, chunk.answer[:8], restart=True)
            if place == 1 and not is_kept:
                wait(hold, task.control)
            yield AnswerDelta(chunk.number, chunk.answer[8:])
            yield ChunkDone(chunk)
            chunks.append(chunk)
        yield from (Noticed(notice) for notice in made.notices)
        yield StageStarted("summary", 1)
        yield AnswerDelta(0, made.summary.answer)
        yield ChunkDone(made.summary)
        yield Finished(replace(made, chunks=tuple(chunks)))

    return run


def opening(made: Analysis) -> Iterator[AnalysisEvent]:
    """What comes before the first answer."""
    assert made.layout
    yield StageStarted("survey")
    yield Probed(video_info(made.request.path))
    yield KeyframesChosen(made.keyframes, made.decode)
    yield from (FactsMeasured(frame_facts) for frame_facts in made.facts)
    yield Heard(made.transcript)
    yield Planned(made.layout)
    yield StageStarted("ask", len(made.layout.parts))


def _otherwise(part: ChunkResult, *, is_again: bool) -> ChunkResult:
    """What a part says when it is asked once more."""
    if not is_again:
        return part
    first, *rest = part.findings
    return replace(part, findings=(replace(first, text="Seen otherwise this time."), *rest), answer="another answer")
