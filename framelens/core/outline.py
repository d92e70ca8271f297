"""Outline of a video: its pages (slides, screens, documents) with the text that was read from them, and its chapters.

It is computed from keyframes, their texts, shots and cues alone, without a decoder or a model, and contains no text
that wasn't read or heard. How the text of one page is put in order is in framelens.core.page_text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Literal

from framelens.core.domain import Analysis, Chapter, Cue, DecodeSummary, FrameFacts, Keyframe, Measures, ScreenText
from framelens.core.page_text import PageLine, TextBlock, is_like, key_of, lines_of, rows_of, structured

NoPages = Literal["", "little_text", "moving_text"]
"""Why a video has no pages: too little text, or text that comes and goes with moving pictures (subtitles, tickers)."""

_STANDING_SHARE, _FEWEST_STANDING = 0.6, 3
"""A line on this share of the pages, and on as many of them, is no page's own."""
_SAME, _SCROLLED = 0.8, 0.25
"""Share of a state's lines that are in the next state: from the first on it is the same page, from the second on the
page was scrolled."""
_RETURNED = 0.85
"""Share of the lines, both ways, from which on a page was shown before."""
_ALIKE = 0.5
"""Share of the lines of a page that returns that were read exactly alike."""
_ROWS = 50
"""Rows of a picture; lines at about the same place are in the same or a neighbouring row."""
_FEWEST_LINES, _FEWEST_CHARACTERS = 3, 24
"""Text of a page; a frame with less is a page only in a video with pages."""
_BAND = 0.72
"""Height from which on text may be a subtitle or a ticker, and is no evidence of a page."""
_STILL = 0.02
"""Motion of pages that are held: pointer, typing and a presenter in a corner stay below it. Slides have 0.001, films
and rolling credits 0.03 and more."""
_FEWEST_PAGES_SHARE = 0.3
"""Share of the keyframes that pages have in a video of pages."""
_SUBTITLE_SHARE, _FEWEST_SUBTITLES = 0.4, 4
_CENTRE, _CUE_SECONDS = 0.06, 2.0
_CHAPTER_SECONDS = 270.0
"""Length of a chapter of speech: an hour has 13 of them."""
_MOST_CHAPTERS, _QUOTED = 40, 60


@dataclass(frozen=True)
class OutlinePage:
    """A page in the time in which it is visible, [start_seconds, end_seconds).

    Attributes:
        number: Number from 1 in time order.
        frame: Number of the keyframe that shows it best: its last state.
        frames: Numbers of all its keyframes.
        title: Its largest line at the top, or its first line.
        body: The rest of its text in reading order; empty for a page that returns.
        returns_to: Number of the page that it shows again; 0 for a new page.
        is_doubtful: Whether the title was read with little confidence.
    """

    number: int
    frame: int
    frames: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    title: str
    body: tuple[TextBlock, ...] = ()
    returns_to: int = 0
    is_doubtful: bool = False

    @property
    def text(self) -> str:
        """Return its title and body, line by line."""
        return "\n".join(rows_of(self.title, self.body))


@dataclass(frozen=True)
class Outline:
    """The pages of a video, its chapters, and the lines that stand on every page.

    `chapters` come from the pages, or from pauses of the speech in a video without pages. `reason` says why there are
    no pages.
    """

    pages: tuple[OutlinePage, ...] = ()
    standing: tuple[str, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    reason: NoPages = ""

    @property
    def title(self) -> str:
        """Return the title of the first page; "" without pages."""
        return self.pages[0].title if self.pages else ""

    def speech_of(self, cues: Sequence[Cue]) -> tuple[tuple[Cue, ...], ...]:
        """Return the cues before the first chapter, and those of each chapter: a cue belongs where it begins."""
        starts = [chapter.start_seconds for chapter in self.chapters]
        spoken: list[list[Cue]] = [[] for _ in range(len(starts) + 1)]
        for cue in cues:
            spoken[bisect_right(starts, cue.start_seconds + 0.001)].append(cue)
        return tuple(map(tuple, spoken))


def chapters_of(analysis: Analysis) -> tuple[Chapter, ...]:
    """Return the model's chapters, or those of the outline if it gave none that can be used."""
    whole = analysis.whole
    return whole.chapters if whole and whole.chapters and whole.is_usable else outline_of(analysis).chapters


def title_of(analysis: Analysis) -> str:
    """Return the model's title, or that of the first page; "" without both."""
    return analysis.title or outline_of(analysis).title


def outline_of(analysis: Analysis) -> Outline:
    """Return the outline of a video; without texts and speech it is empty."""
    texts = {fact.number: fact.texts for fact in analysis.facts}
    frames = tuple(_frame(keyframe, texts.get(keyframe.number, ())) for keyframe in analysis.keyframes)
    decode, selection = analysis.decode, analysis.request.selection
    turns = {shot.start_seconds for shot in decode.shots} | {boundary.end_seconds for boundary in decode.boundaries}
    cues = analysis.transcript.cues if analysis.transcript else ()
    edges = (selection.start_seconds, decode.readable_seconds)
    return _outline(frames, tuple(sorted(turns)), cues, decode.measures, edges)


def prompt_texts(keyframes: Iterable[Keyframe], facts: Mapping[int, FrameFacts]) -> dict[int, tuple[str, ...]]:
    """Return the texts of frames for a prompt, by the frames' numbers.

    They are paragraphs, items and rows of code in reading order; lines on every page are at the first frame alone.
    """
    frames = [_frame(keyframe, facts[keyframe.number].texts) for keyframe in keyframes if keyframe.number in facts]
    read = [(frame, lines_of(frame.texts, frame.aspect)) for frame in frames]
    standing = _standing(read)
    texts: dict[int, tuple[str, ...]] = {}
    for frame, lines in read:
        if own := _own(lines, standing) if texts else lines:
            title, body = structured(own, frame.aspect)
            texts[frame.number] = rows_of(title.text, body)
    return texts


def has_pages(decode: DecodeSummary) -> bool:
    """Return whether the survey has seen pages change, at least as often as shots: a film has few signs that do."""
    pages = sum(boundary.type == "page" for boundary in decode.boundaries)
    return 0 < len(decode.boundaries) <= 2 * pages


def _frame(keyframe: Keyframe, texts: tuple[ScreenText, ...]) -> _Frame:
    return _Frame(keyframe.number, keyframe.time_seconds, keyframe.width / max(1, keyframe.height), texts)


@dataclass(frozen=True)
class _Frame:
    number: int
    time_seconds: float
    aspect: float
    texts: tuple[ScreenText, ...]


@dataclass
class _State:
    """A run of keyframes that show the same page; `lines` are those of its last state."""

    frames: list[_Frame]
    lines: tuple[PageLine, ...]
    whole: tuple[PageLine, ...]
    """The lines with those that stand on every page."""
    scrolled: bool = False
    """Whether it continues the text of the state before."""
    own: tuple[PageLine, ...] = field(default=())
    """The lines that weren't shown before it was scrolled to."""


@lru_cache(maxsize=8)
def _outline(
    frames: tuple[_Frame, ...],
    turns: tuple[float, ...],
    cues: tuple[Cue, ...],
    measures: Measures | None,
    edges: tuple[float, float],
) -> Outline:
    read = _without_subtitles([(frame, lines_of(frame.texts, frame.aspect)) for frame in frames], cues)
    standing = _standing(read)
    states = _states(read, standing)
    shown = [state for state in states if _is_page(state, measures)]
    num_frames = sum(len(state.frames) for state in shown)
    if not shown or num_frames < _FEWEST_PAGES_SHARE * len(frames):
        has_text = sum(len(state.lines) > 0 for state in states) > len(states) / 2
        return Outline((), (), _speech_chapters(cues, edges), "moving_text" if has_text else "little_text")
    pages = tuple(_pages(states, turns, measures, edges))
    lines = dict.fromkeys(line.text for line in standing if not line.is_numbering)
    chapters = tuple(Chapter(page.title, "", page.frames[0], page.start_seconds, page.end_seconds) for page in pages)
    return Outline(pages, tuple(lines), chapters)


# ---- lines that are no page's own -----------------------------------------------------------------------------------


_Read = list[tuple[_Frame, tuple[PageLine, ...]]]


def _without_subtitles(read: _Read, cues: Sequence[Cue]) -> _Read:
    """Leave out lines that are spoken at that moment, and those that change at one place of the lowest part."""
    spoken = [(cue, key_of(cue.text)) for cue in cues]
    low = [(frame, line) for frame, lines in read for line in lines if line.middle > _BAND and _is_centred(frame, line)]
    rows = Counter(round(line.middle * 25) for _, line in low)
    changing = set()
    for row, _ in rows.most_common(2):
        lines = {frame.number: line for frame, line in low if abs(line.middle * 25 - row) <= 1}
        different = len({line.key for line in lines.values()})
        if different >= max(_FEWEST_SUBTITLES, _SUBTITLE_SHARE * len(read)):
            changing |= {id(line) for _, line in low if abs(line.middle * 25 - row) <= 2.5}

    def is_spoken(frame: _Frame, line: PageLine) -> bool:
        return len(line.key) > 3 and any(
            line.key in key
            for cue, key in spoken
            if cue.start_seconds - _CUE_SECONDS <= frame.time_seconds <= cue.end_seconds + _CUE_SECONDS
        )

    return [
        (frame, tuple(line for line in lines if id(line) not in changing and not is_spoken(frame, line)))
        for frame, lines in read
    ]


def _is_centred(frame: _Frame, line: PageLine) -> bool:
    return abs((line.left + line.right) / 2 - frame.aspect / 2) < _CENTRE * frame.aspect


def _standing(read: _Read) -> tuple[PageLine, ...]:
    """Return the lines that stand on most of the pages: headers, footers, page numbers, the menu of an editor."""
    with_text = [lines for _, lines in read if lines]
    often = _frequent(with_text, 0.5)
    distinct, pages = _SeenPages(), []
    for state in _states(read, often):
        if state.lines and distinct.find(state.lines) is None:
            distinct.add(state.lines)
            pages.append(state.whole)
    return _frequent(pages, _STANDING_SHARE)


def _frequent(pages: Sequence[tuple[PageLine, ...]], share: float) -> tuple[PageLine, ...]:
    """Return one line for each that is on a share of the pages, at the same place; numbers in it may differ."""
    fewest = max(_FEWEST_STANDING, share * len(pages))
    first: dict[tuple[str, int], PageLine] = {}
    counts: Counter[tuple[str, int]] = Counter()
    for lines in pages:
        heights = sorted(line.height for line in lines)
        usual = heights[len(heights) // 2] if heights else 0.0
        marks = {mark: line for line in lines for mark in _marks(line, usual)}
        counts.update(marks.keys())
        for mark, line in marks.items():
            first.setdefault(mark, line)
    frequent = [mark for mark, count in counts.items() if count >= fewest]
    return tuple({id(first[mark]): first[mark] for mark in frequent}.values())


def _marks(line: PageLine, usual: float) -> Iterator[tuple[str, int]]:
    """Yield the marks by which a line is recognised on other pages, at two rasters, so that no edge separates them."""
    key = line.masked if line.height <= 1.2 * usual or line.is_numbering else line.key
    for offset in (0.0, 0.5):
        yield f"{offset}{key}", round(line.middle * 30 + offset)


def _own(lines: Iterable[PageLine], standing: Sequence[PageLine]) -> tuple[PageLine, ...]:
    return tuple(
        line
        for line in lines
        if not any(
            abs(line.middle - other.middle) < 0.04 and (line.masked == other.masked or is_like(line, other))
            for other in standing
        )
    )


# ---- states and pages -----------------------------------------------------------------------------------------------


def _states(read: _Read, standing: Sequence[PageLine]) -> list[_State]:
    """Merge keyframes in a row that show the same page."""
    states: list[_State] = []
    for frame, lines in read:
        own = _own(lines, standing)
        state = _State([frame], own, lines, own=own)
        before = states[-1] if states else None
        if before is None or not _continues(before, state):
            states.append(state)
    return states


def _continues(before: _State, state: _State) -> bool:
    """Merge a state into the previous state if it shows the same page; note it if the page was only scrolled."""
    earlier, later = before.lines, state.lines
    if not earlier or not later:
        is_same = not earlier and not later and (not before.whole or _share(before.whole, state.whole) >= _SAME)
        if is_same:
            before.frames += state.frames
        return is_same
    forward, backward = _share(earlier, later), _share(later, earlier)
    if forward >= _SAME:
        new = _new(later, earlier)
        before.frames += state.frames
        before.own = (*before.own, *new) if before.scrolled else later
        before.lines, before.whole = later, state.whole
        return True
    if backward >= _SAME and forward >= 0.6:
        before.frames += state.frames
        return True
    if forward >= _SCROLLED and _is_scrolled(earlier, later):
        state.scrolled = True
        state.own = _new(later, earlier)
    return False


def _share(lines: Sequence[PageLine], others: Sequence[PageLine]) -> float:
    """Return the share of the characters of lines that are in others, too.

    Lines that are almost the same count where others are exactly the same: a page of which each line differs is new.
    """
    keys = {other.key for other in others}
    length = sum(len(line.text) for line in lines)
    exact = sum(len(line.text) for line in lines if line.key in keys)
    alike = length - sum(len(line.text) for line in _new(lines, others))
    return (alike if exact >= _ALIKE * alike else exact) / length if length else 0.0


def _new(lines: Sequence[PageLine], others: Sequence[PageLine]) -> tuple[PageLine, ...]:
    """Return the lines that aren't in others: neither the same anywhere, nor almost the same at their place."""
    keys = {other.key for other in others}
    rows: defaultdict[int, list[PageLine]] = defaultdict(list)
    for other in others:
        rows[round(other.middle * _ROWS)].append(other)

    def is_in(line: PageLine) -> bool:
        row = round(line.middle * _ROWS)
        near = (other for step in (-1, 0, 1) for other in rows.get(row + step, ()))
        return line.key in keys or any(is_like(line, other) for other in near)

    return tuple(line for line in lines if not is_in(line))


def _is_scrolled(earlier: Sequence[PageLine], later: Sequence[PageLine]) -> bool:
    """Return whether most lines that both have moved by the same height."""
    heights = {line.key: line.middle for line in earlier}
    moves = [heights[line.key] - line.middle for line in later if line.key in heights]
    return len(moves) > 1 and abs(median(moves)) > 0.02 and median(abs(move - median(moves)) for move in moves) < 0.02


class _SeenPages:
    """Pages that were shown, to find the one that returns without comparing all."""

    def __init__(self) -> None:
        self.pages: list[tuple[PageLine, ...]] = []
        self._by_key: defaultdict[str, set[int]] = defaultdict(set)

    def add(self, lines: tuple[PageLine, ...]) -> None:
        """Add the lines of a page."""
        for key in {line.key for line in lines}:
            self._by_key[key].add(len(self.pages))
        self.pages.append(lines)

    def find(self, lines: Sequence[PageLine]) -> int | None:
        """Return the index of the first page with these lines, None for a new page."""
        keys = {line.key for line in lines}
        counts = Counter(index for key in keys for index in self._by_key.get(key, ()))
        near = sorted(index for index, count in counts.items() if count >= _ALIKE * len(keys))
        return next((index for index in near if _returns(lines, self.pages[index])), None)


def _returns(lines: Sequence[PageLine], page: Sequence[PageLine]) -> bool:
    return _share(lines, page) >= _RETURNED and _share(page, lines) >= _RETURNED


def _is_page(state: _State, measures: Measures | None) -> bool:
    """Return whether a state is a page by itself: enough text outside the band of subtitles, held still."""
    proof = [line for line in state.lines if line.middle <= _BAND]
    characters = sum(len(line.text) for line in proof)
    return len(proof) >= _FEWEST_LINES and characters >= _FEWEST_CHARACTERS and _is_still(state, measures)


def _is_still(state: _State, measures: Measures | None) -> bool:
    if measures is None or not measures.motion:
        return True
    step, start = measures.step_seconds, measures.start_seconds
    first, last = (round((frame.time_seconds - start) / step) for frame in (state.frames[0], state.frames[-1]))
    values = measures.motion[max(0, first - 2) : last + 3]
    return not values or median(values) <= _STILL


def _pages(
    states: Sequence[_State], turns: Sequence[float], measures: Measures | None, edges: tuple[float, float]
) -> Iterator[OutlinePage]:
    """Yield the pages; a state without text between two states of a page belongs to it."""
    shown = [state for state in _bridge_gaps(states) if not state.lines or _is_still(state, measures)]
    starts = _starts(shown, turns, edges[0])
    distinct, built = _SeenPages(), list[OutlinePage]()
    for index, (state, start) in enumerate(zip(shown, starts, strict=True)):
        if not state.lines:
            continue
        end = starts[index + 1] if index + 1 < len(starts) else max(edges[1], start)
        numbers = tuple(frame.number for frame in state.frames)
        index_before = distinct.find(state.lines)
        aspect = state.frames[-1].aspect
        title, body = structured(state.own or state.lines, aspect)
        page = OutlinePage(
            len(built) + 1, numbers[-1], numbers, start, end, title.text, body, is_doubtful=title.is_doubtful
        )
        if index_before is not None:
            first = built[index_before]
            back = first.returns_to or first.number
            page = replace(page, title=first.title, body=(), returns_to=back, is_doubtful=first.is_doubtful)
        distinct.add(state.lines)
        built.append(page)
        yield page


def _bridge_gaps(states: Sequence[_State]) -> list[_State]:
    bridged: list[_State] = []
    for state in states:
        if len(bridged) > 1 and not bridged[-1].lines and state.lines and _returns(state.lines, bridged[-2].lines):
            gap, before = bridged.pop(), bridged[-1]
            before.frames += gap.frames + state.frames
        else:
            bridged.append(state)
    return bridged


def _starts(states: Sequence[_State], turns: Sequence[float], start_seconds: float) -> list[float]:
    """Return when each state begins: at the last change of picture before its first keyframe, or at the keyframe."""
    starts: list[float] = []
    last = start_seconds - 0.001
    for state in states:
        seconds = state.frames[0].time_seconds
        index = bisect_right(turns, seconds + 0.001) - 1
        changed = index >= 0 and turns[index] > last
        starts.append(turns[index] if changed else start_seconds if not starts else seconds)
        last = state.frames[-1].time_seconds
    return starts


# ---- chapters of speech ---------------------------------------------------------------------------------------------


def _speech_chapters(cues: Sequence[Cue], edges: tuple[float, float]) -> tuple[Chapter, ...]:
    """Return chapters that begin after the longest pauses, each titled by its first words; () for a short video."""
    spoken = sorted((cue for cue in cues if cue.text.strip()), key=lambda cue: cue.start_seconds)
    if not spoken:
        return ()
    end = max(edges[1], spoken[-1].end_seconds)
    number = min(_MOST_CHAPTERS, round((end - spoken[0].start_seconds) / _CHAPTER_SECONDS))
    if number < 2:
        return ()
    least = (end - spoken[0].start_seconds) / number / 2
    starts = [0]
    pauses = sorted(range(1, len(spoken)), key=lambda index: _pause(spoken[index - 1], spoken[index]), reverse=True)
    for index in pauses:
        seconds = spoken[index].start_seconds
        is_apart = end - seconds >= least and all(
            abs(seconds - spoken[start].start_seconds) >= least for start in starts
        )
        if len(starts) < number and is_apart:
            starts.append(index)
    starts.sort()
    times = [*(spoken[index].start_seconds for index in starts), end]
    titles = [_first_words(spoken[index:after]) for index, after in pairwise([*starts, len(spoken)])]
    return tuple(
        Chapter(title, "", 0, start, after) for title, (start, after) in zip(titles, pairwise(times), strict=True)
    )


def _pause(before: Cue, cue: Cue) -> float:
    """Return the pause before a cue; of equal pauses, that after a sentence is longer."""
    return cue.start_seconds - before.end_seconds + 0.05 * ends_sentence(before.text)


def ends_sentence(text: str) -> bool:
    """Return whether a text ends like a sentence."""
    return text.rstrip(' \n"”’)」』').endswith((".", "?", "!", "。", "？", "！"))


def _first_words(cues: Sequence[Cue]) -> str:
    """Return the first words of a chapter, as they were said."""
    text = ""
    for cue in cues:
        text = f"{text} {' '.join(cue.text.split())}".strip()
        if len(text) >= _QUOTED:
            break
    if len(text) <= _QUOTED:
        return f"“{text}”"
    cut = text[:_QUOTED]
    return f"“{(cut.rpartition(' ')[0] or cut).rstrip(',;:，；：、')}…”"
