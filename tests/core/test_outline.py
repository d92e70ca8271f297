"""Pages, titles, text in reading order, and chapters, from texts and times alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from framelens.core.domain import (
    Analysis,
    AnalysisRequest,
    Chapter,
    ChunkResult,
    Cue,
    DecodeSummary,
    FrameFacts,
    Keyframe,
    Measures,
    ScreenText,
    Shot,
    Transcript,
    Usage,
    VideoInfo,
)
from framelens.core.outline import Outline, chapters_of, outline_of, prompt_texts

SECONDS = 10.0
"""Time between keyframes."""


def row(
    text: str, left: float, top: float, *, height: float = 0.05, confidence: float = 0.99, stretch: float = 1.0
) -> ScreenText:
    """Return a line of text in a picture of 16:9; a character is half as wide as it is high, a wide one as wide."""
    width = stretch * sum(2 if character > "\u2e80" else 1 for character in text) * height / 2 * 9 / 16
    return ScreenText(text, confidence, (left, top, min(1.0, left + width), top + height))


def slide(title: str, *items: str, footer: str = "") -> tuple[ScreenText, ...]:
    """Return the lines of a slide with bullets."""
    lines = [row(title, 0.05, 0.05, height=0.08)]
    lines += [row(f"• {item}", 0.08, 0.2 + 0.1 * place) for place, item in enumerate(items)]
    return (*lines, *([row(footer, 0.45, 0.95, height=0.03)] if footer else []))


def video_of(
    *frames: tuple[ScreenText, ...],
    cues: Sequence[Cue] = (),
    shots: Sequence[float] = (),
    motion: float = 0.0,
) -> Analysis:
    """Return an analysis with a keyframe every ten seconds, from 5 s on, that shows these lines."""
    end = max([SECONDS * len(frames), *(cue.end_seconds for cue in cues)])
    video = VideoInfo(
        Path("/v/talk.mp4"), "talk.mp4", 9, "mp4", "h264", "yuv420p", 640, 360, 0, end, 25.0, 1, 0.0, True
    )
    edges = [0.0, *shots, end]
    made = tuple(Shot(n + 1, edges[n], edges[n + 1]) for n in range(len(edges) - 1))
    values = (motion,) * int(end)
    measures = Measures(1.0, values, values, values, values, values) if motion else None
    times = [5 + SECONDS * place for place in range(len(frames))]
    keyframes = tuple(Keyframe(n, n, at, "even", 1, 640, 360, b"") for n, at in enumerate(times, 1))
    return Analysis(
        id="job",
        created="2026-01-02T03:04:05+00:00",
        request=AnalysisRequest(Path("/v/talk.mp4"), use_model=False),
        video=video,
        sha256="ab" * 32,
        decode=DecodeSummary(100, end, False, "pyav", made, measures=measures),
        keyframes=keyframes,
        facts=tuple(FrameFacts(n, texts, (), 0.5, 9, None) for n, texts in enumerate(frames, 1)),
        chunks=(),
        summary=None,
        engine=None,
        notices=(),
        seconds_by_stage={},
        app_version="0.1.0",
        transcript=Transcript("subtitles", "en", tuple(cues)) if cues else None,
    )


def outline(*frames: tuple[ScreenText, ...], cues: Sequence[Cue] = (), motion: float = 0.0) -> Outline:
    return outline_of(video_of(*frames, cues=cues, motion=motion))


def texts_of(made: Outline, page: int = 0) -> list[str]:
    return [block.text for block in made.pages[page].body]


VALVES = slide("Kinds of valves", "Gate valves", "Ball valves", "Check valves")
PUMPS = slide("How pumps work", "Suction side", "Pressure side", "Seal and shaft")
SEALS = slide("Seals", "Rubber rings age", "Graphite stands heat", "Lips wear out")
SUMS = slide("Flow and pressure", "Continuity holds", "Bernoulli on a line", "Losses add up")


def test_slides_become_pages_with_titles_and_lists() -> None:
    made = outline(VALVES, PUMPS)
    assert [page.title for page in made.pages] == ["Kinds of valves", "How pumps work"]
    assert texts_of(made) == ["Gate valves", "Ball valves", "Check valves"]
    assert {block.type for block in made.pages[0].body} == {"item"}
    assert made.title == "Kinds of valves"


def test_page_begins_at_a_known_change_or_its_frame() -> None:
    # Page begins at the change before its frame.
    pages = outline_of(video_of(VALVES, PUMPS, shots=(12.4,))).pages
    assert [(page.start_seconds, page.end_seconds) for page in pages] == [(0.0, 12.4), (12.4, 20.0)]
    # Page without a known change begins at its frame.
    assert [page.start_seconds for page in outline(VALVES, PUMPS).pages] == [0.0, 15.0]


def test_text_that_grows_is_one_page_with_its_last_state() -> None:
    made = outline(
        slide("Seals", "Rubber rings age"), slide("Seals", "Rubber rings age", "Graphite stands heat"), SEALS
    )
    assert [page.frames for page in made.pages] == [(1, 2, 3)]
    assert made.pages[0].frame == 3
    assert texts_of(made) == ["Rubber rings age", "Graphite stands heat", "Lips wear out"]


def test_pages_continue_and_return() -> None:
    # Page that returns refers to the first.
    made = outline(VALVES, PUMPS, VALVES)
    assert [page.returns_to for page in made.pages] == [0, 0, 1]
    assert made.pages[2].body == () and made.pages[2].title == "Kinds of valves"
    # Page continues after a picture without text.
    made = outline(VALVES, (), VALVES, PUMPS)
    assert [page.frames for page in made.pages] == [(1, 2, 3), (4,)]


def test_lines_on_every_page_are_given_once() -> None:
    made = outline(
        *(
            (*slide(title, *items, footer="Institute of Hydraulics"), row(f"{n} / 40", 0.9, 0.95, height=0.03))
            for n, (title, *items) in enumerate(
                (
                    ["Valves", "Gate", "Ball", "Check"],
                    ["Pumps", "Suction", "Shaft"],
                    ["Seals", "Rubber", "Lips", "Wear"],
                ),
                1,
            )
        )
    )
    assert made.standing == ("Institute of Hydraulics",)
    assert texts_of(made, 1) == ["Suction", "Shaft"]


def test_long_scene_of_one_page_has_no_standing_lines() -> None:
    made = outline(*[VALVES] * 20, PUMPS, SEALS, SUMS)
    assert made.standing == ()
    assert made.title == "Kinds of valves"


def test_numbered_titles_stay_titles() -> None:
    made = outline(
        *(
            slide(f"Step {n}", f"{word} the lid", f"{word} the ring", f"{word} on")
            for n, word in enumerate(("Open", "Turn", "Lift"), 1)
        )
    )
    assert [page.title for page in made.pages] == ["Step 1", "Step 2", "Step 3"]


def test_two_columns_are_read_one_after_the_other() -> None:
    left = [
        row(text, 0.05, 0.25 + 0.08 * n) for n, text in enumerate(("Gate valves open", "slowly and leak", "little."))
    ]
    right = [row(text, 0.55, 0.25 + 0.08 * n) for n, text in enumerate(("Ball valves open", "fast and wear", "soon."))]
    rows = [line for pair in zip(left, right, strict=True) for line in pair]
    made = outline((row("Two kinds", 0.05, 0.05, height=0.08), *rows))
    assert " ".join(texts_of(made)) == "Gate valves open slowly and leak little. Ball valves open fast and wear soon."


def test_wrapped_lines_are_joined() -> None:
    made = outline(
        (
            row("Why valves fail", 0.05, 0.05, height=0.08),
            row("• Corrosion of the seat is the most frequent", 0.08, 0.22, height=0.045),
            row("cause of leaks", 0.095, 0.275, height=0.045),
            row("• Wear of the stem", 0.08, 0.37, height=0.045),
        )
    )
    assert texts_of(made) == ["Corrosion of the seat is the most frequent cause of leaks", "Wear of the stem"]


def test_chinese_lines_are_joined_without_blanks() -> None:
    made = outline(
        (
            row("阀门的种类", 0.05, 0.05, height=0.08),
            row("闸阀的启闭件是闸板，闸板的运动方向与流体方向相", 0.08, 0.22, height=0.045),
            row("垂直，只能全开和全关。", 0.08, 0.275, height=0.045),
            row("球阀旋转九十度即可关闭。", 0.08, 0.38, height=0.045),
        )
    )
    assert texts_of(made)[0] == "闸阀的启闭件是闸板，闸板的运动方向与流体方向相垂直，只能全开和全关。"


def test_doubtful_lines_levels_and_long_titles() -> None:
    # Items have levels.
    rows = [row("Plan", 0.05, 0.05, height=0.08)]
    rows += [row("• First", 0.08, 0.2), row("– inner", 0.12, 0.3), row("• Second", 0.08, 0.4)]
    assert [block.level for block in outline(tuple(rows)).pages[0].body] == [0, 1, 0]
    # Doubtful line is marked.
    made = outline((*VALVES, row("• Globe va1ves", 0.08, 0.6, confidence=0.86)))
    assert [block.is_doubtful for block in made.pages[0].body] == [False, False, False, True]


def test_code_keeps_its_indentation() -> None:
    width = 0.04 / 2 * 9 / 16
    code = (
        "def area(width, height):",
        "    if width < 0:",
        "        raise ValueError(width)",
        "    return width * height",
    )
    rows = [
        row(text.strip(), 0.1 + width * (len(text) - len(text.lstrip())), 0.1 + 0.06 * n, height=0.04)
        for n, text in enumerate(code)
    ]
    made = outline(tuple(rows))
    assert made.pages[0].title == "def area(width, height):"
    assert [(block.type, block.text) for block in made.pages[0].body] == [("code", "\n".join(code))]


def test_prose_and_numbered_lists_are_no_code() -> None:
    steps = [row(f"{n}. Close valve {n} (slowly)", 0.1, 0.1 + 0.07 * n, stretch=1 + n % 3 / 8) for n in range(1, 10)]
    kinds = {block.type for block in outline((row("Shutdown", 0.1, 0.02, height=0.08), *steps)).pages[0].body}
    assert kinds == {"item"}


def test_cells_of_a_table_are_read_row_by_row() -> None:
    cells = (("Pipe", "Length", "Loss"), ("North", "10", "1.7"), ("South", "20", "3.4"), ("West", "30", "5.1"))
    rows = [
        row(text, 0.05 + 0.3 * column, 0.2 + 0.1 * n)
        for n, line in enumerate(cells)
        for column, text in enumerate(line)
    ]
    assert texts_of(outline((row("Pressure losses", 0.05, 0.05, height=0.08), *rows)))[1] == "North · 10 · 1.7"


def test_footer_is_after_both_columns() -> None:
    left = [
        row(text, 0.05, 0.2 + 0.07 * n) for n, text in enumerate(("Gate valves open", "slowly and leak", "little."))
    ]
    right = [row(text, 0.55, 0.2 + 0.07 * n) for n, text in enumerate(("Ball valves open", "fast and wear", "soon."))]
    footer = row("Course 3", 0.05, 0.94, height=0.03)
    assert texts_of(outline((row("Two kinds", 0.05, 0.05, height=0.08), *left, *right, footer)))[-1] == "Course 3"


def test_scrolled_text_is_given_once() -> None:
    lines = [f"$ make {word} --fast" for word in ("all", "clean", "docs", "lint", "tests", "wheel", "image", "push")]

    def screen(first: int) -> tuple[ScreenText, ...]:
        return tuple(row(text, 0.02, 0.1 + 0.12 * n, height=0.04) for n, text in enumerate(lines[first : first + 5]))

    made = outline(screen(0), screen(3))
    assert "\n".join(text for page in range(2) for text in texts_of(made, page)) == "\n".join(lines)


def test_burnt_in_subtitles_are_no_pages() -> None:
    said = (
        "Where were you?",
        "At the harbour, all night long.",
        "I do not believe it.",
        "Then ask him.",
        "He is gone.",
    )
    made = outline(*((row(text, 0.5 - len(text) * 0.007, 0.88),) for text in said), motion=0.08)
    assert made.pages == () and made.reason in ("moving_text", "little_text")


def test_subtitles_on_slides_are_no_text_of_the_page() -> None:
    said = (
        "So these are valves",
        "as you know them",
        "and a gate valve is",
        "what we look at",
        "today in detail",
        "and so on",
    )
    frames = [
        (*page, row(text, 0.5 - len(text) * 0.007, 0.9)) for page, text in zip((VALVES, PUMPS) * 3, said, strict=True)
    ]
    assert texts_of(outline(*frames)) == ["Gate valves", "Ball valves", "Check valves"]


def test_text_that_is_also_spoken_is_speech() -> None:
    cues = [Cue(4.0, 8.0, "Check valves")]
    assert texts_of(outline(VALVES, cues=cues)) == ["Gate valves", "Ball valves"]


def test_rolling_credits_are_no_pages() -> None:
    names = [
        f"{job} {name}"
        for job in ("Camera", "Sound", "Light", "Music")
        for name in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")
    ]
    frames = [
        tuple(row(text, 0.3, 0.1 + 0.15 * n) for n, text in enumerate(names[at : at + 5])) for at in range(0, 20, 5)
    ]
    made = outline(*frames, motion=0.06)
    assert made.pages == () and made.reason == "moving_text"


def test_ticker_and_logo_are_no_pages() -> None:
    frames = [(row("NEWS 24", 0.05, 0.05), row(f"Headline {word} of the hour", 0.1, 0.9)) for word in "abcdefgh"]
    assert outline(*frames, motion=0.05).pages == ()


def test_video_without_text_has_no_outline() -> None:
    assert outline((), ()) == Outline(reason="little_text")
    assert outline_of(video_of()) == Outline(reason="little_text")


def test_page_of_3000_characters_has_a_short_title() -> None:
    rows = tuple(
        row("the quick brown fox jumps over it again " * 2, 0.02, 0.02 + 0.024 * n, height=0.02) for n in range(40)
    )
    made = outline(rows)
    assert len(made.title) <= 120
    assert sum(map(len, texts_of(made))) > 3000


def test_hour_of_speech_has_8_to_20_chapters() -> None:
    cues = [Cue(at, at + (4.9 if at % 90 else 3.0), f"Sentence number {at} of the talk.") for at in range(0, 3600, 5)]
    chapters = outline(cues=cues).chapters
    assert 8 <= len(chapters) <= 20
    assert chapters[0].title.startswith("“Sentence number 0") and chapters[-1].end_seconds >= 3595
    assert all(any(chapter.start_seconds == cue.start_seconds for cue in cues) for chapter in chapters)


def test_speech_has_chapters_and_pages_its_cues() -> None:
    assert outline(cues=[Cue(0.0, 2.0, "Hello."), Cue(3.0, 5.0, "Bye.")]).chapters == ()  # short speech has no chapters
    # Each cue is in the page where it begins.
    cues = [Cue(1.0, 2.0, "one"), Cue(14.0, 16.0, "two"), Cue(16.0, 17.0, "three")]
    before, first, second = outline(VALVES, PUMPS, cues=cues).speech_of(cues)
    assert before == () and [cue.text for cue in first] == ["one", "two"] and [cue.text for cue in second] == ["three"]


def test_prompt_has_lines_on_every_page_once() -> None:
    pages = [
        slide(title, *items, footer="Institute of Hydraulics")
        for title, *items in (
            ["Valves", "Gate", "Ball", "Check"],
            ["Pumps", "Suction", "Shaft"],
            ["Seals", "Rubber", "Lips"],
        )
    ]
    made = video_of(*pages)
    texts = prompt_texts(made.keyframes, {frame_facts.number: frame_facts for frame_facts in made.facts})
    assert texts[1] == ("Valves", "Gate", "Ball", "Check", "Institute of Hydraulics")
    assert texts[2] == ("Pumps", "Suction", "Shaft")


def test_pages_are_the_chapters_of_an_answer_without_chapters() -> None:
    chapter = Chapter("By the model", "", 1, 0.0, 20.0)
    answer = ChunkResult(1, (1, 2), "messages", "", (), (), "", "stop", Usage(), 1.0, title="T", chapters=(chapter,))
    made = video_of(VALVES, PUMPS)
    titles = [
        [one.title for one in chapters_of(replace(made, chunks=(given,)))]
        for given in (answer, replace(answer, chapters=()), replace(answer, troubles=("repeats",)))
    ]
    assert titles == [["By the model"], *[["Kinds of valves", "How pumps work"]] * 2]
