"""Questions that a report suggests: about its subjects, text on screen, chapters and findings, without a model.

What can't be quoted in a short question, such as a long or broken name, suggests nothing.
"""

import re
from collections.abc import Iterator
from itertools import islice

from framelens.core.domain import Analysis, times_of
from framelens.i18n import language, t
from framelens.reports.content.labels import clocks, one_line

MOST = 3
"""Suggested questions."""
_LONGEST = 48
"""Most characters of a quoted name, title or finding, which has to fit on a line with the question."""
_LEAST_TEXT = 3
"""Characters of text on screen that are worth a question; a lone digit isn't."""
_TRIED = 100
"""Findings that are tried: a report may have ten thousand."""
_BRACKETED = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\]|【[^【】]*】|<[^<>]*>)")
_MARKS = re.compile(r"[*_`~#|\\]+")
_UNFIT = re.compile(r"[\"“”„«»「」『』()（）\[\]【】<>{}]|//")
_AROUND = " \t.,;:!?…。，；：！？、-–—'‘’\"“”„«»「」『』"
_ARTICLE = re.compile(r"(?:an?|the)\s", re.IGNORECASE)


def suggested_questions(analysis: Analysis) -> tuple[str, ...]:
    """Return at most three short questions about what a report holds, in the language of the context.

    Words of the report are quoted only where it is in this language. What the report's own question names is left out.
    """
    own_question = analysis.request.question.casefold()
    questions = (
        question for question, named in _candidates(analysis) if not (named and named.casefold() in own_question)
    )
    return tuple(
        islice((question for question in dict.fromkeys(questions) if question.casefold() != own_question), MOST)
    )


def _candidates(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield questions, the best first, each with what it names."""
    is_same_language = analysis.request.language == language()
    subjects = _subjects(analysis) if is_same_language else iter(())
    yield from islice(subjects, 1)
    yield from _about_text(analysis)
    if is_same_language:
        yield from _about_chapter(analysis)
        yield from _about_finding(analysis)
    yield from subjects


def _subjects(analysis: Analysis) -> Iterator[tuple[str, str]]:
    for chunk in analysis.chunks:
        for name in (quotable(subject.name) for subject in chunk.subjects):
            if name:
                is_noun = language() != "en" or _ARTICLE.match(name)
                shown = f"{name[0].lower()}{name[1:]}" if is_noun else f"“{name}”"
                yield t("ask.suggest.subject", name=shown), name


def _about_text(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield a question about the frame with the most text."""
    times = times_of(analysis.keyframes)
    lengths = {
        fact.number: sum(len(line.text) for line in fact.texts) for fact in analysis.facts if fact.number in times
    }
    number = max(lengths, key=lengths.__getitem__, default=0)
    if lengths.get(number, 0) >= _LEAST_TEXT:
        yield t("ask.suggest.text", time=clocks([times[number]])[0]), ""


def _about_chapter(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield a question about the middle chapter of several."""
    chapters = analysis.whole.chapters if analysis.whole and not analysis.whole.is_broken else ()
    titled = [(chapter, title) for chapter in chapters if (title := quotable(chapter.title))]
    if len(chapters) > 1 and titled:
        chapter, title = titled[len(titled) // 2]
        start, end = clocks((chapter.start_seconds, chapter.end_seconds))
        yield t("ask.suggest.chapter", title=title, start=start, end=end), title


def _about_finding(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield a question about the verified finding that is nearest to the middle of the video."""
    times, middle = times_of(analysis.keyframes), analysis.decode.readable_seconds / 2
    verified = [
        (times[finding.frames[0]], finding.text)
        for chunk in analysis.chunks
        for finding in (chunk.findings if chunk.is_usable else ())
        if not finding.issues and finding.frames and finding.frames[0] in times
    ]
    nearest = sorted(verified, key=lambda pair: abs(pair[0] - middle))[:_TRIED]
    for seconds, text in ((seconds, quotable(text)) for seconds, text in nearest):
        if text:
            yield t("ask.suggest.finding", text=text, time=clocks([seconds])[0]), text
            return


def quotable(text: str) -> str:
    """Return a text as it can be quoted in a short question: without brackets and Markdown; "" if it doesn't fit."""
    if len(text) > 10 * _LONGEST:
        return ""
    bare = _BRACKETED.sub("", _MARKS.sub("", one_line(text))).strip(_AROUND)
    is_fit = len(bare) <= _LONGEST and not _UNFIT.search(bare) and any(map(str.isalpha, bare))
    return " ".join(bare.split()) if is_fit else ""
